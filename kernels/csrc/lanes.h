// Loads and stores at any address. Included by each instruction set inside its namespace.

// Before a loop over an array of vectors: unrolled, the array stays in registers. (Otherwise gcc 12
// zeroes it in memory and stores it there at the end: a fifth of the time of a tile of 64 channels.)
#define UNROLLED _Pragma("GCC unroll 16")

template <class V, class T>
inline V load(const T* from) {
  V v;
  __builtin_memcpy(&v, from, sizeof v);
  return v;
}

template <class V, class T>
inline void save(T* to, V v) {
  __builtin_memcpy(to, &v, sizeof v);
}
