// Regular expressions as automata: what stands in RE2's syntax and not in Python's, and what is
// refused. test/python/test_strings.py compares generated patterns with Python.
#include "frontends/onnx/Regex.h"

#include <gtest/gtest.h>

using namespace tessera::onnx;

namespace {

bool matches(const char *pattern, llvm::StringRef text) {
  llvm::Expected<Automaton> automaton = compileRegex(pattern);
  if (automaton)
    return automaton->matches(text);
  ADD_FAILURE() << pattern << ": " << llvm::toString(automaton.takeError());
  return false;
}

void expectRefused(llvm::StringRef pattern, llvm::StringRef message) {
  llvm::Expected<Automaton> automaton = compileRegex(pattern);
  ASSERT_FALSE(automaton) << pattern.str();
  std::string text = llvm::toString(automaton.takeError());
  EXPECT_TRUE(llvm::StringRef(text).contains(message)) << pattern.str() << ": " << text;
}

TEST(Regex, quotes) {
  EXPECT_TRUE(matches("\\Qa+(b\\E+", "a+(bbb"));
  EXPECT_TRUE(matches("x\\Q|\\Ey|z", "x|y"));
  EXPECT_TRUE(matches("x\\Q|\\Ey|z", "z"));
  EXPECT_TRUE(matches("\\Q.\\", ".\\"));
  EXPECT_FALSE(matches("\\Q.", "a"));
}

TEST(Regex, lines) {
  EXPECT_FALSE(matches("a$\nb", "a\nb"));
  EXPECT_TRUE(matches("(?m)a$\n^b$", "a\nb"));
  EXPECT_TRUE(matches("(?m)^$\n^$", "\n"));
  EXPECT_FALSE(matches("(?m)a\\z\nb", "a\nb"));
  EXPECT_FALSE(matches("a.b", "a\nb"));
  EXPECT_TRUE(matches("(?s)a.b", "a\nb"));
  EXPECT_TRUE(matches("(?s:a.)b(?-s:[^x])", "a\nb\n"));
}

TEST(Regex, words) {
  EXPECT_TRUE(matches("\\bab\\b \\b(c|d)\\b", "ab d"));
  EXPECT_FALSE(matches("a\\bb", "ab"));
  EXPECT_TRUE(matches("a\\Bb", "ab"));
  EXPECT_TRUE(matches("\\B", ""));
  EXPECT_FALSE(matches("\\b", ""));
  EXPECT_TRUE(matches(".\\b\\x{df}", "a\u00df")); // Words are ASCII.
}

TEST(Regex, cases) {
  EXPECT_TRUE(matches("(?i)stra\u00dfe", "STRA\u1e9eE"));
  EXPECT_TRUE(matches("(?i)\u03c3\u03bf\u03c6\u03cc\u03c2", "\u03a3\u039f\u03a6\u038c\u03a3"));
  EXPECT_TRUE(matches("(?i)k", "\u212a"));
  EXPECT_FALSE(matches("(?i)[^k]", "K"));
  EXPECT_TRUE(matches("(?i:a)b", "Ab"));
  EXPECT_FALSE(matches("(?i:a)b", "AB"));
  EXPECT_TRUE(matches("a(?i)b|c", "C"));
}

TEST(Regex, characters) {
  EXPECT_TRUE(matches("[\\x{80}-\\x{10FFFF}]*", "\u00e9\u4e16\U0001f600"));
  EXPECT_TRUE(matches("....", "\u00e9\u4e16\U0001f600\u0416"));
  EXPECT_FALSE(matches(".", "\xff"));
  EXPECT_TRUE(matches("\\101\\x42\\060", "AB0"));
  EXPECT_TRUE(matches("[]a][^]a]", "]b"));
  EXPECT_TRUE(matches("[[:alpha:][:^word:]]+", "a-b"));
  EXPECT_TRUE(matches("[a-]+", "a-"));
  EXPECT_TRUE(matches("a{,2}x{y}", "a{,2}x{y}"));
}

TEST(Regex, categories) {
  EXPECT_TRUE(matches("\\pL+\\p{Nd}\\p{Any}", "aé世Ж٣!"));
  EXPECT_TRUE(matches("[\\p{Lu}-]+\\P{L}", "Ä-Ж1"));
  EXPECT_TRUE(matches("\\p{^Lu}\\P{^Lu}[^\\pL]", "aA1"));
  EXPECT_TRUE(matches("(?i)\\p{Lu}", "a"));
  EXPECT_FALSE(matches("\\p{Lu}", "a"));
  EXPECT_FALSE(matches("\\pN", "a"));
  EXPECT_TRUE(matches("\\p{Greek}+\\p{Cyrillic}\\P{Greek}\\p{^Han}", "λΩЖab"));
  EXPECT_TRUE(matches("[\\p{Han}\\p{Hiragana}]+[^\\p{Latin}]", "世界の!"));
  EXPECT_TRUE(matches("(?i)\\p{Old_Italic}\\p{Common}\\p{Cherokee}", "𐌀1ꭰ"));
  EXPECT_FALSE(matches("\\p{Greek}", "a"));
  EXPECT_FALSE(matches("\\p{Latin}+", "aλ"));
  expectRefused("\\p{Klingon}", "a class of Unicode of an unknown name, 'Klingon'");
  expectRefused("\\p{L", "'\\p{' without '}'");
  expectRefused("[a\\p", "a class of Unicode of an unknown name, ''");
}

// What a search says of every part of a text is what a match of that part alone says.
TEST(Regex, searches) {
  llvm::StringRef text = "ab éa_b世 b\nab";
  for (const char *pattern : {"ab?", "[^a]+", "(a|b)*", "é.", "", "\\pL+"}) {
    llvm::Expected<Automaton> search = compileSearch(pattern), whole = compileRegex(pattern);
    ASSERT_TRUE(bool(search) && bool(whole));
    for (size_t begin = 0; begin <= text.size(); ++begin) {
      int32_t state = search->starts[begin ? sideOf(uint8_t(text[begin - 1])) : kNothing];
      for (size_t end = begin; end <= text.size(); ++end) {
        bool isLast = end == text.size();
        size_t next = isLast ? search->classes : search->classOf[uint8_t(text[end])];
        EXPECT_EQ(search->ends[size_t(state) * (search->classes + 1) + next],
                  whole->matches(text.slice(begin, end)));
        if (!isLast)
          state = search->next[size_t(state) * search->classes + next];
      }
    }
  }
}

// What stands around a part counts.
TEST(Regex, searchesAround) {
  llvm::Expected<Automaton> search = compileSearch("\\ba$");
  ASSERT_TRUE(bool(search));
  auto ends = [&](Side before, size_t next) {
    int32_t state = search->starts[before];
    state = search->next[size_t(state) * search->classes + search->classOf['a']];
    return bool(search->ends[size_t(state) * (search->classes + 1) + next]);
  };
  EXPECT_TRUE(ends(kNothing, search->classes));
  EXPECT_TRUE(ends(kOther, search->classes));
  EXPECT_FALSE(ends(kWord, search->classes));
  EXPECT_FALSE(ends(kNothing, search->classOf['b']));
}

TEST(Regex, groups) {
  EXPECT_TRUE(matches("(?P<year>\\d{4})-(?<month>\\d\\d)", "2026-11"));
  EXPECT_TRUE(matches("(|a)*b", "aab"));
  EXPECT_TRUE(matches("((a*)*)*", ""));
  expectRefused("(?P<a>x)(?P<a>y)", "a second group of the name 'a'");
  expectRefused("(?P<a b>x)", "a name of a group that is no word");
}

TEST(Regex, whatTakesMoreThanAnAutomaton) {
  expectRefused("(a)\\1", "a back reference");
  expectRefused("(?P<a>x)(?P=a)", "a back reference");
  expectRefused("a(?=b)", "looking around");
  expectRefused("a(?!b)", "looking around");
  expectRefused("(?<=a)b", "looking around");
  expectRefused("(?<!a)b", "looking around");
  expectRefused("(?>a)b", "never tried again");
}

TEST(Regex, mistakes) {
  expectRefused("a**", "a repetition of a repetition, at place 3 of 'a**'");
  expectRefused("*a", "a repetition of nothing");
  expectRefused("(a", "'(' without ')'");
  expectRefused("a)", "')' without '('");
  expectRefused("[a", "'[' without ']'");
  expectRefused("[b-a]", "a range that ends before it begins");
  expectRefused("[[:letters:]]", "a class of an unknown name, 'letters'");
  expectRefused("[^\\x{0}-\\x{10FFFF}]", "a class of no characters");
  expectRefused("a{3,2}", "at least 3 and at most 2");
  expectRefused("a\\", "'\\' at the end");
  expectRefused("\\x{110000}", "'\\x' without the number of a character");
  expectRefused("\\y", "'\\' before what it does not stand before");
  expectRefused("(?x)a", "a flag other than i, m, s and U");
  expectRefused("\xff", "bytes that are no UTF-8");
  expectRefused("\xed\xa0\x80", "bytes that are no UTF-8"); // a half of a pair
}

TEST(Regex, limits) {
  expectRefused("a{1001}", "kMaxRegexRepeats");
  expectRefused("((a{1000}){1000}){1000}", "kMaxRegexNodes");
  expectRefused("((((){1000}){1000}){1000}){1000}", "kMaxRegexNodes");
  expectRefused(std::string(101, '(') + std::string(101, ')'), "kMaxRegexNesting");
  expectRefused(std::string(kMaxRegexBytes + 1, 'a'), "kMaxRegexBytes");
  expectRefused("(a|b)*a(a|b){12}", "kMaxRegexStates");
  EXPECT_TRUE(matches("(a|b)*a(a|b){10}", "aabbbbbbbbbb"));
}

} // namespace
