// Comparisons of lanes in plain C++. Included by instruction sets inside their namespace, after
// kLanes, I and F: by those that have no instruction for it, or where it is emulated.

inline uint32_t bits_of(I mask) {
  uint32_t bits = 0;
  for (int i = 0; i < kLanes; ++i) bits |= static_cast<uint32_t>(mask[i] & 1) << i;
  return bits;
}
inline uint32_t greater(I a, I b) { return bits_of(a > b); }
inline uint32_t less(F a, F b) { return bits_of(a < b); }
