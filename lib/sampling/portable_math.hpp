// exp and log that give the same bits on every machine: doubles, in a fixed order, with nothing but
// what IEEE 754 fixes (+ - * /, comparisons, bits). libm's differ between machines and versions.
//
// Errors, measured against long double over their whole range: exp < 1.0 ulp, log < 1.0 ulp.
#pragma once

#include <span>

namespace hadal {

// e^x. 0 below -708, where a host that flushes denormals would see another number than one that
// does not; +inf above 709. Not for NaN.
double portable_exp(double x);

// The same for every element, in place.
void portable_exp(std::span<double> x);

// The natural logarithm of x >= 0. -inf for a zero or a denormal; +inf for +inf.
double portable_log(double x);

}  // namespace hadal
