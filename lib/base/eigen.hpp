// The only way to Eigen: its assertions become HADAL_CHECK, so that they raise a status instead of
// ending the host, and it starts no threads of its own.
#pragma once

#include "lib/base/status.hpp"

#define eigen_assert(condition) HADAL_CHECK(condition)
#define EIGEN_DONT_PARALLELIZE
#include <Eigen/Core>
