// Two filters to a look-up. Included by avx2.cpp, inside its namespace, behind avx2_pairs.h.
//
// The other way round ("filters"): the lanes are pixels, 16 of them in both halves of a vector, and
// the tables are those of weight nibbles, two filters to a table, two tables to a vector. So four
// vectors are 16 filters, and no lane is idle where a layer has no more of them.
template <int n>
inline void filters_group(const uint8_t* field, const Run* runs, const uint8_t* tables,
                         Sums (&sums)[4]) {
  __m256i pixels[n];
  UNROLLED
  for (int j = 0; j < n; ++j)
    pixels[j] = _mm256_broadcastsi128_si256(load<__m128i>(field + runs[j].offset));
  UNROLLED
  for (int g = 0; g < 4; ++g) {
    __m256i x = _mm256_shuffle_epi8(load<__m256i>(tables + 32 * g), pixels[0]);
    UNROLLED
    for (int j = 1; j < n; ++j)
      x = _mm256_add_epi8(
          x, _mm256_shuffle_epi8(load<__m256i>(tables + 128 * j + 32 * g), pixels[j]));
    add(sums[g], x);
    asm volatile("" : "+x"(sums[g].low), "+x"(sums[g].high));  // or gcc begins all four, and spills
  }
}

// The sums of four vectors of tables, turned into a row of counts for each pixel: three rounds in
// which every row meets the one four further on make columns of rows. The halves stay apart.
inline void turn(const Sums (&sums)[4], uint16_t* to, int64_t stride, bool first) {
  __m256i rows[8], next[8];
  UNROLLED
  for (int g = 0; g < 4; ++g) {
    const __m256i odd = _mm256_and_si256(sums[g].low, _mm256_set1_epi16(-256));
    rows[2 * g] = sums[g].low;
    rows[2 * g + 1] = _mm256_sub_epi16(sums[g].high, _mm256_srli_epi16(odd, 4));
  }
  UNROLLED
  for (int round = 0; round < 3; ++round) {
    UNROLLED
    for (int i = 0; i < 4; ++i) {
      next[2 * i] = _mm256_unpacklo_epi8(rows[i], rows[i + 4]);
      next[2 * i + 1] = _mm256_unpackhi_epi8(rows[i], rows[i + 4]);
    }
    UNROLLED
    for (int i = 0; i < 8; ++i) rows[i] = next[i];
  }
  UNROLLED
  for (int i = 0; i < 8; ++i, to += 2 * stride) {
    spill(_mm256_unpacklo_epi8(rows[i], __m256i{}), to, first);
    spill(_mm256_unpackhi_epi8(rows[i], __m256i{}), to + stride, first);
  }
}

void filters_panel(const Panel& panel) {
  const uint8_t* weights = panel.weights;
  for (int filter = 0; filter < panel.width; filter += 16, weights += int64_t{128} * panel.n_runs)
    for (int unit = 0; unit < panel.count; ++unit) {
      const uint8_t *field = panel.input + panel.units[unit], *w = weights;
      uint16_t* to = static_cast<uint16_t*>(panel.counts) + filter;
      to += int64_t{16} * unit * panel.width;
      for (int r = 0, end; r < panel.n_runs; r = end) {
        const Run* run = panel.runs + r;
        end = panel.n_runs - r > 3 * kGroups ? r + 3 * kGroups : panel.n_runs;
        Sums sums[4] = {};
        int left = end - r;
        for (; left >= 3; left -= 3, run += 3, w += 384) filters_group<3>(field, run, w, sums);
        if (left == 2) filters_group<2>(field, run, w, sums);
        if (left == 1) filters_group<1>(field, run, w, sums);
        turn(sums, to, panel.width, r == 0);
      }
    }
}

// For each 16 filters [nibble][4][2]: the table of two of them. The first table of a vector is for
// the first half of a row of counts, in the order that rows have.
void filters_lay_out(const uint8_t* weights, int filters, int64_t bytes, int width, uint8_t* out) {
  for (int block = 0; block < width; block += 16)
    for (int64_t nibble = 0; nibble < 2 * bytes; ++nibble)
      for (int pair = 0; pair < 8; ++pair, out += 16) {
        int number = 0;
        for (int i = 0; i < 2; ++i) {
          const int filter = block + kOrder[pair % 2 * 8 + pair / 2 * 2 + i];
          const uint8_t byte = filter < filters ? weights[filter * bytes + nibble / 2] : 0;
          number |= (nibble % 2 ? byte >> 4 : byte & 15) << 4 * i;
        }
        __builtin_memcpy(out, kTables.of[number], 16);
      }
}

int64_t filters_laid_out(int64_t bytes, int width) { return 16 * bytes * width; }
