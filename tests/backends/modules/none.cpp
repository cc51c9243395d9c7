// A library that is no module of hadal, for the tests of the loader.
extern "C" int hadal_is_elsewhere();
int hadal_is_elsewhere() { return 0; }
