// What tables of sums are made with. Included by learn_backward.cpp, inside its namespace, behind
// learn_vector.h.

// Sums of +a, b, c, d where a bit of the entry is clear, - where it is set.
inline void write_table(V a, V b, V c, V d, float* to, int64_t step) {
  const V p = a + b, m = a - b, q = c + d, n = c - d;
  const V low[4] = {p, -m, m, -p}, high[4] = {q, -n, n, -q};
  UNROLLED for (int e = 0; e < 16; ++e) save(to + e * step, low[e & 3] + high[e >> 2]);
}

inline void transpose(V v[8]) {
  V a[8], b[8];
  UNROLLED for (int i = 0; i < 8; i += 2) {
    a[i] = __builtin_shuffle(v[i], v[i + 1], I{0, 8, 1, 9, 4, 12, 5, 13});
    a[i + 1] = __builtin_shuffle(v[i], v[i + 1], I{2, 10, 3, 11, 6, 14, 7, 15});
  }
  UNROLLED for (int i = 0; i < 8; i += 4) UNROLLED for (int j = 0; j < 2; ++j) {
    b[i + 2 * j] = __builtin_shuffle(a[i + j], a[i + j + 2], I{0, 1, 8, 9, 4, 5, 12, 13});
    b[i + 2 * j + 1] = __builtin_shuffle(a[i + j], a[i + j + 2], I{2, 3, 10, 11, 6, 7, 14, 15});
  }
  UNROLLED for (int i = 0; i < 4; ++i) {
    v[i] = __builtin_shuffle(b[i], b[i + 4], I{0, 1, 2, 3, 8, 9, 10, 11});
    v[i + 4] = __builtin_shuffle(b[i], b[i + 4], I{4, 5, 6, 7, 12, 13, 14, 15});
  }
}

typedef uint8_t B __attribute__((vector_size(32)));

// The highest bit of each byte.
inline uint32_t top_bits(B v) {
#if defined(__x86_64__)
  return static_cast<uint32_t>(_mm256_movemask_epi8(reinterpret_cast<__m256i>(v)));
#else
  uint32_t bits = 0;
  for (int i = 0; i < 32; ++i) bits |= static_cast<uint32_t>(v[i] >> 7) << i;
  return bits;
#endif
}
