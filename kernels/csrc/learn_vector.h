// Vectors of 8 numbers, as learn*.cpp compute. Included inside their namespace, behind the pragma.

typedef float V __attribute__((vector_size(32)));
typedef int32_t I __attribute__((vector_size(32)));
typedef int16_t H __attribute__((vector_size(16)));

#include "lanes.h"

inline V fill(float x) { return V{x, x, x, x, x, x, x, x}; }

// r(d) of 8 products, as floats.
inline V curved(const int16_t* dots, bool relu) {
  const H d = load<H>(dots);
  const H r = relu ? (d > 0 ? d : H{}) : d;
  return __builtin_convertvector(__builtin_convertvector(r, I), V);
}
