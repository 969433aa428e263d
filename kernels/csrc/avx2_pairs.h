// Two pixels to a look-up. Included by avx2.cpp, inside its namespace.
//
// vpshufb looks up 32 four-bit indices in a table of 16 bytes. The table of an input nibble a holds,
// for each weight nibble w, the population count of a ^ w: one shuffle is xor and count at once for
// 4 signs of 32 filters (the "lut" step, shuffle + add for 128 products: `limit` of avx2.cpp).
//
// Counts of 4 signs need 3 bits of a byte, so a table can hold two: that of one output pixel in the
// low nibble and that of its neighbour in the high one ("pairs"). Three look-ups may be added before
// a nibble can overflow (3 * 4 = 12); then
//
//   low  += x & 0x0f   (bytes)
//   high += x >> 4     (16-bit lanes)
//
// The shift leaves the low nibble of the upper byte in the lower byte, on purpose: `low` knows how
// much that is, so it is taken off once at the end, and the mask saved. 9 vector operations count
// 768 products; shuffle + add would take 12. After 21 such groups (21 * 12 = 252) a byte is full,
// and is spilled to 16-bit counts: that is why a panel runs over its pixels 63 nibbles at a time,
// which also keeps the weights it needs (4 KB) in the first cache.

constexpr int kGroups = 21;   // groups of three nibbles before a byte may be full
constexpr int kSegments = 64;

// Table n, at 16 n bytes: entry w counts (n & 15) ^ w in its low nibble, (n >> 4) ^ w in its high.
struct Tables {
  alignas(64) uint8_t of[256][16] = {};
  constexpr Tables() {
    for (int n = 0; n < 256; ++n)
      for (int w = 0; w < 16; ++w)
        of[n][w] = static_cast<uint8_t>(__builtin_popcount((n & 15) ^ w) +
                                        16 * __builtin_popcount((n >> 4) ^ w));
  }
};
constexpr Tables kTables;

inline __m128i table(uint16_t place) {
  return _mm_load_si128(reinterpret_cast<const __m128i*>(&kTables.of[0][0] + place));
}
inline __m256i bytes_at(const uint8_t* from) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}

// Stretches of a field, in places (two bytes each); together at most kGroups groups.
struct Chunk {
  struct { int32_t offset, nibbles; } segments[kSegments];
  int n = 0, groups = 0, nibbles = 0;

  // Takes as much of a stretch as there is room for, and says how much.
  int32_t take(int32_t offset, int32_t left) {
    const int32_t room = 3 * (kGroups - groups), taken = left < room ? left : room;
    segments[n++] = {offset, taken};
    groups += (taken + 2) / 3;
    nibbles += taken;
    return taken;
  }
  bool full() const { return groups == kGroups || n == kSegments; }
};

struct Sums {
  __m256i low, high;
};

inline void add(Sums& sums, __m256i x) {
  sums.high = _mm256_add_epi16(sums.high, _mm256_srli_epi16(x, 4));
  sums.low = _mm256_add_epi8(sums.low, _mm256_and_si256(x, _mm256_set1_epi8(15)));
}

// The sums as 16-bit counts. Even bytes are a vector's first 16 filters and odd bytes the others,
// both in kOrder (see `pairs_lay_out`); `one` and `two` are the pixels of the unit.
struct Counts {
  __m256i one_even, one_odd, two_even, two_odd;
};
inline Counts split(const Sums& sums) {
  const __m256i byte = _mm256_set1_epi16(255);
  const __m256i odd = _mm256_srli_epi16(sums.low, 8);
  const __m256i high = _mm256_sub_epi16(sums.high, _mm256_slli_epi16(odd, 4));
  return {_mm256_and_si256(sums.low, byte), odd, _mm256_and_si256(high, byte),
          _mm256_srli_epi16(high, 8)};
}
inline void spill(__m256i counts, uint16_t* to, bool first) {
  save(to, first ? counts : _mm256_add_epi16(counts, load<__m256i>(to)));
}

// The tables of one place: of a unit, in both halves; or of two units, one in each half.
inline __m256i tables(const uint16_t* const (&fields)[1], int64_t place) {
  return _mm256_broadcastsi128_si256(table(fields[0][place]));
}
inline __m256i tables(const uint16_t* const (&fields)[2], int64_t place) {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(table(fields[0][place])),
                                 table(fields[1][place]), 1);
}
inline __m256i weights_at(const uint8_t* from, const uint16_t* const (&)[1]) {
  return load<__m256i>(from);
}
inline __m256i weights_at(const uint8_t* from, const uint16_t* const (&)[2]) {
  return _mm256_broadcastsi128_si256(load<__m128i>(from));
}

// A group of n look-ups for U vectors of one unit (32 filters) or of two (16 filters).
template <int n, int U, int H>
inline void group(const uint16_t* const (&fields)[U][H], int64_t place, const uint8_t* weights,
                  Sums (&sums)[U]) {
  __m256i w[n];
  for (int j = 0; j < n; ++j) w[j] = weights_at(weights + 32 / H * j, fields[0]);
  for (int u = 0; u < U; ++u) {
    __m256i x = _mm256_shuffle_epi8(tables(fields[u], place), w[0]);
    for (int j = 1; j < n; ++j)
      x = _mm256_add_epi8(x, _mm256_shuffle_epi8(tables(fields[u], place + j), w[j]));
    add(sums[u], x);
  }
}

// The same for G vectors of filters and one unit.
template <int n, int G>
inline void group_wide(const uint16_t* places, const uint8_t* weights, Sums (&sums)[G]) {
  __m256i x[G];
  for (int j = 0; j < n; ++j) {
    const __m256i t = _mm256_broadcastsi128_si256(table(places[j]));
    for (int g = 0; g < G; ++g) {
      const __m256i counts = _mm256_shuffle_epi8(t, load<__m256i>(weights + 32 * (j * G + g)));
      x[g] = j ? _mm256_add_epi8(x[g], counts) : counts;
    }
  }
  for (int g = 0; g < G; ++g) add(sums[g], x[g]);
}

template <int U, int H>
inline void chunk_sums(const Chunk& chunk, const uint16_t* const (&fields)[U][H],
                       const uint8_t* w, Sums (&sums)[U]) {
  for (int s = 0; s < chunk.n; ++s) {
    int64_t place = chunk.segments[s].offset;
    int left = chunk.segments[s].nibbles;
    for (; left >= 3; left -= 3, place += 3, w += 3 * 32 / H) group<3>(fields, place, w, sums);
    if (left == 2) group<2>(fields, place, w, sums);
    if (left == 1) group<1>(fields, place, w, sums);
    w += left * 32 / H;
  }
}

inline const uint16_t* field(const Panel& panel, int unit) {
  return reinterpret_cast<const uint16_t*>(panel.input + panel.units[unit]);
}

// 32 G filters: one unit after the other, whose tables serve all.
template <int G>
void chunk_wide(const Chunk& chunk, const Panel& panel, const uint8_t* weights, bool first) {
  for (int unit = 0; unit < panel.count; ++unit) {
    const uint16_t* places = field(panel, unit);
    const uint8_t* w = weights;
    Sums sums[G] = {};
    for (int s = 0; s < chunk.n; ++s) {
      const uint16_t* place = places + chunk.segments[s].offset;
      int left = chunk.segments[s].nibbles;
      for (; left >= 3; left -= 3, place += 3, w += 96 * G) group_wide<3>(place, w, sums);
      if (left == 2) group_wide<2>(place, w, sums);
      if (left == 1) group_wide<1>(place, w, sums);
      w += left * 32 * G;
    }
    uint16_t* to = static_cast<uint16_t*>(panel.counts) + int64_t{2} * unit * panel.width;
    for (int g = 0; g < G; ++g, to += 32) {
      const Counts counts = split(sums[g]);
      spill(counts.one_even, to, first);
      spill(counts.one_odd, to + 16, first);
      spill(counts.two_even, to + panel.width, first);
      spill(counts.two_odd, to + panel.width + 16, first);
    }
  }
}

// 32 filters (H = 1) or 16 (H = 2: the lower half of a vector is one unit, the upper half the next):
// U vectors side by side, which share the loads of the weights; then the rest with fewer.
template <int U, int H>
inline void chunk_units(const Chunk& chunk, const Panel& panel, const uint8_t* weights, int unit,
                        bool first) {
  const int last = panel.count - 1;
  for (; unit + H * (U - 1) <= last; unit += H * U) {
    const uint16_t* fields[U][H];
    for (int u = 0; u < H * U; ++u)
      fields[u / H][u % H] = field(panel, unit + u < last ? unit + u : last);
    Sums sums[U] = {};
    chunk_sums(chunk, fields, weights, sums);
    uint16_t* to = static_cast<uint16_t*>(panel.counts) + int64_t{2} * unit * panel.width;
    for (int u = 0; u < U; ++u, to += 64) {
      const Counts c = split(sums[u]);
      if (H == 1) {
        spill(c.one_even, to, first);
        spill(c.one_odd, to + 16, first);
        spill(c.two_even, to + 32, first);
        spill(c.two_odd, to + 48, first);
      } else {
        spill(_mm256_permute2x128_si256(c.one_even, c.one_odd, 0x20), to, first);
        spill(_mm256_permute2x128_si256(c.two_even, c.two_odd, 0x20), to + 16, first);
        if (unit + 2 * u == last) continue;
        spill(_mm256_permute2x128_si256(c.one_even, c.one_odd, 0x31), to + 32, first);
        spill(_mm256_permute2x128_si256(c.two_even, c.two_odd, 0x31), to + 48, first);
      }
    }
  }
  if constexpr (U > 1) {
    if (unit <= last) chunk_units<U - 1, H>(chunk, panel, weights, unit, first);
  }
}

void pairs_panel(const Panel& panel) {
  Chunk chunk;
  const uint8_t* weights = panel.weights;
  bool first = true;
  for (int r = 0; r < panel.n_runs; ++r) {
    int32_t offset = static_cast<int32_t>(panel.runs[r].offset / 2);
    const int32_t end = offset + static_cast<int32_t>(panel.runs[r].bytes / 2);
    while (offset < end) {
      offset += chunk.take(offset, end - offset);
      if (!chunk.full() && (offset < end || r + 1 < panel.n_runs)) continue;
      if (panel.width == 64) chunk_wide<2>(chunk, panel, weights, first);
      if (panel.width == 32) chunk_units<4, 1>(chunk, panel, weights, 0, first);
      if (panel.width == 16) chunk_units<3, 2>(chunk, panel, weights, 0, first);
      weights += int64_t{chunk.nibbles} * panel.width;
      first = false;
      chunk.n = chunk.groups = chunk.nibbles = 0;
    }
  }
}

inline __m256i wide_bytes(const uint8_t* from) {
  return _mm256_cvtepu8_epi16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

// Two places for each byte: 16 times the number of the table for its low nibbles, then its high.
void pairs_store(const uint8_t* first, const uint8_t* second, int64_t bytes, uint8_t* out) {
  const __m256i nibble = _mm256_set1_epi16(15);
  int64_t i = 0;
  for (; i + 16 <= bytes; i += 16, out += 64) {
    const __m256i a = wide_bytes(first + i), b = wide_bytes(second + i);
    const __m256i low = _mm256_or_si256(_mm256_slli_epi16(_mm256_and_si256(a, nibble), 4),
                                        _mm256_slli_epi16(_mm256_and_si256(b, nibble), 8));
    const __m256i high = _mm256_or_si256(
        _mm256_andnot_si256(nibble, a), _mm256_slli_epi16(_mm256_andnot_si256(nibble, b), 4));
    const __m256i even = _mm256_unpacklo_epi16(low, high), odd = _mm256_unpackhi_epi16(low, high);
    __m256i* to = reinterpret_cast<__m256i*>(out);
    _mm256_storeu_si256(to, _mm256_permute2x128_si256(even, odd, 0x20));
    _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(even, odd, 0x31));
  }
  for (; i < bytes; ++i, out += 4) {
    const uint16_t places[2] = {
        static_cast<uint16_t>((first[i] & 15) << 4 | (second[i] & 15) << 8),
        static_cast<uint16_t>((first[i] & 0xf0) | (second[i] & 0xf0) << 4)};
    __builtin_memcpy(out, places, 4);
  }
}

// [nibble][width] bytes. In a vector of 32 (or, for a width of 16, in half of one) the even bytes
// become the first row of counts and the odd bytes the next, in the order that rows have.
void pairs_lay_out(const uint8_t* weights, int filters, int64_t bytes, int width, uint8_t* out) {
  const int vector = width < 32 ? width : 32;
  for (int64_t nibble = 0; nibble < 2 * bytes; ++nibble)
    for (int place = 0; place < width; ++place) {
      const int in = place % vector, row = in / 2 + in % 2 * (vector / 2);
      const int filter = place - in + row / 16 * 16 + kOrder[row % 16];
      const uint8_t byte = filter < filters ? weights[filter * bytes + nibble / 2] : 0;
      *out++ = nibble % 2 ? byte >> 4 : byte & 15;
    }
}

int64_t pairs_laid_out(int64_t bytes, int width) { return 2 * bytes * width; }
