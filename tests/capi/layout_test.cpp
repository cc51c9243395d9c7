// The layout test once more, as C++17.
#include "layout_test.c"
