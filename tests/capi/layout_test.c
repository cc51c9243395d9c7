/* Holds the public structs to their sizes and offsets; the same file is compiled as C11 and, by
 * including it, as C++17. */
#include "layout.h"

int main(void) { return hadal_abi_version() == HADAL_ABI_VERSION ? 0 : 1; }
