// Lanes of 512 bits, compared and in part. Included by AVX-512 and AMX inside their namespaces.

inline uint32_t greater(I a, I b) {
  return _mm512_cmpgt_epi32_mask(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b));
}
inline uint32_t less(F a, F b) {
  return _mm512_cmp_ps_mask(reinterpret_cast<__m512>(a), reinterpret_cast<__m512>(b), _CMP_LT_OQ);
}

// Eight by themselves: behind a store with a mask, a load beside what it stored would wait for it.
inline F load_first(const float* from, int n) {
  if (n == 8) return reinterpret_cast<F>(_mm512_zextps256_ps512(_mm256_loadu_ps(from)));
  return reinterpret_cast<F>(_mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), from));
}
inline void save_first(float* to, F x, int n) {
  const __m512 all = reinterpret_cast<__m512>(x);
  if (n == 8) return _mm256_storeu_ps(to, _mm512_castps512_ps256(all));
  _mm512_mask_storeu_ps(to, static_cast<__mmask16>((1u << n) - 1), all);
}
#define BNN_OWN_FIRST
