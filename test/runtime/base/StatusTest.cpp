#include "runtime/base/Status.h"

#include <gtest/gtest.h>
#include <set>
#include <string>

using namespace tessera::rt;

TEST(Status, carriesCodeMessageAndPlace) {
  EXPECT_TRUE(Status().ok());
  EXPECT_EQ(Status().code(), Code::Ok);
  Status error =
      Status::error(Code::WrongRank, "input '%s' has %d dimensions", "x", 3).at("f%d", 1);
  EXPECT_FALSE(error.ok());
  EXPECT_EQ(error.code(), Code::WrongRank);
  EXPECT_STREQ(error.message(), "f1: input 'x' has 3 dimensions");
  Status moved = std::move(error);
  EXPECT_STREQ(moved.message(), "f1: input 'x' has 3 dimensions");
  EXPECT_TRUE(Status().at("nowhere").ok());
}

TEST(Status, longMessagesEndInDots) {
  const std::string name(5000, 'n');
  const Status error = Status::error(Code::Malformed, "%s", name.c_str());
  const std::string message = error.message();
  EXPECT_LT(message.size(), 1100u);
  EXPECT_EQ(message.substr(message.size() - 3), "...");
}

TEST(Status, outOfMemoryNeedsNoMemoryAndNoPlace) {
  Status error = Status::outOfMemory().at("somewhere");
  EXPECT_EQ(error.code(), Code::OutOfMemory);
  EXPECT_STREQ(error.message(), "out of memory");
}

TEST(Status, everyCodeHasItsOwnName) {
  std::set<std::string> names;
  size_t known = 0;
  for (int code = -1; code < 1000; ++code) {
    const std::string name = codeName(Code(code));
    if (name == "UNKNOWN")
      continue;
    ++known;
    names.insert(name);
  }
  EXPECT_EQ(names.size(), known);
  EXPECT_EQ(known, 29u);
  EXPECT_STREQ(codeName(Code(12345)), "UNKNOWN");
}
