// Where this program, or the library that it is part of, was installed.
#ifndef TESSERA_TOOLS_COMMON_THISPROGRAM_H
#define TESSERA_TOOLS_COMMON_THISPROGRAM_H

#include <string>

namespace tessera::tools {

// With a slash at the end; "" when it is not known.
std::string folderOfThis();

// The path of an installed file, looked for beside this program or library, and in ../bin, ../lib
// and
// ../../lib; "" when it is in none of them.
std::string findBesideThis(const std::string &name);

} // namespace tessera::tools

#endif // TESSERA_TOOLS_COMMON_THISPROGRAM_H
