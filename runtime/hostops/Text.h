// Numbers as text.
#ifndef TESSERA_RUNTIME_HOSTOPS_TEXT_H
#define TESSERA_RUNTIME_HOSTOPS_TEXT_H

#include "runtime/base/HostAbi.h"

namespace tessera::hostops {

// Room for one number: the largest f32 in plain notation is the longest.
constexpr uint32_t kFloatTextBytes = 48;

// Eight significant digits of a number without the zeros behind them; in scientific notation where
// the exponent is below -4 or above 7. NaN, INF and -INF are called so. Returns how many bytes.
uint32_t printShort(double number, char (&text)[kFloatTextBytes]);
// All digits before the point and six behind it.
uint32_t printPlain(float number, char (&text)[kFloatTextBytes]);

// Function of the table: f32 or f64 [count] to bytes [count, width], with zeros behind each text.
// The options are "short", or "plain" for f32.
int32_t textOfFloats(const rt::HostCall *call);

} // namespace tessera::hostops

#endif // TESSERA_RUNTIME_HOSTOPS_TEXT_H
