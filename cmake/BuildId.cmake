# Writes OUT with kBuildId, which the library and its modules must share: the border between them is
# C++. It is made of the sources on both sides and of what compiles them. Run by CMakeLists.txt
# whenever one of FILES changes: cmake -DOUT=FILE -DROOT=FOLDER -DHOW=TEXT -DFILES=LIST -P BuildId.cmake
set(text "${HOW}")
separate_arguments(FILES)
foreach(file IN LISTS FILES)
  file(SHA256 ${ROOT}/${file} hash)
  string(APPEND text "\n${file} ${hash}")
endforeach()
string(SHA256 id "${text}")
string(SUBSTRING ${id} 0 32 id)
file(CONFIGURE OUTPUT ${OUT} @ONLY CONTENT [[
// Written by cmake/BuildId.cmake.
#include "backends/module.hpp"

const char hadal::kBuildId[] = "@id@";
]])
