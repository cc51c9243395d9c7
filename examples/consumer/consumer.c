/* The least that uses hadal: says what it was linked with. */
#include <hadal/hadal.h>
#include <stdio.h>

int main(void) {
  puts(hadal_build_info());
  return hadal_abi_version() >= HADAL_ABI_VERSION ? 0 : 1;
}
