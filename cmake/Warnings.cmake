# One set of warnings for every target of ours.
add_library(hadal_warnings INTERFACE)
target_compile_options(hadal_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wcast-qual -Wundef
  "$<$<COMPILE_LANGUAGE:CXX>:-Wnon-virtual-dtor;-Woverloaded-virtual>" -Wdouble-promotion
  $<$<CXX_COMPILER_ID:Clang>:-Wthread-safety -Wno-gnu-zero-variadic-macro-arguments>)
if(HADAL_WERROR)
  target_compile_options(hadal_warnings INTERFACE -Werror)
endif()
