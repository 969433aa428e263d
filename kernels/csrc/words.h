// The plain product: xor, population count, add; a filter to a lane, 32 signs of it to a word.
// Included by each instruction set inside its namespace, after it has defined
//
//   kLanes
//   Word                        a vector of kLanes uint32
//   Word differ(Word, Word, Word mask)   the bits of a mask in which two words differ
//   Tally                       what mismatches are tallied in
//   Tally tally(Tally, Word)    adds the set bits of each lane
//   I total(I, Tally)           adds tallies to totals
//   kTallies                    how many words fit in a tally before `total` (0: no limit)
//   kTilePixels(width)          how many pixels a tile of that width has: a power of two
//   kTileVectors                and how many vectors of filters at most
//
// Weights: [word][width], so that one vector load brings the same 32 inputs of kLanes filters.

inline Word word_at(const uint8_t* from) {
  uint32_t word;
  __builtin_memcpy(&word, from, 4);
  return Word{} + word;
}

// Adds the tallies to the totals before they are full; there is room for kTallies words again.
template <int P, int G>
inline int empty(I (&totals)[P][G], Tally (&tallies)[P][G]) {
  UNROLLED
  for (int p = 0; p < P; ++p)
    UNROLLED
    for (int g = 0; g < G; ++g) {
      totals[p][g] = total(totals[p][g], tallies[p][g]);
      tallies[p][g] = Tally{};
    }
  return kTallies;
}

template <int P, int G>
inline void words_tile(const Panel& panel, int unit, int filter) {
  const uint8_t* fields[P];
  UNROLLED
  for (int p = 0; p < P; ++p) fields[p] = panel.input + panel.units[unit + p];
  const int64_t row = int64_t{4} * panel.width;
  const uint8_t* weights = panel.weights + 4 * filter;
  I totals[P][G] = {};
  Tally tallies[P][G] = {};
  int room = kTallies;
  const int64_t whole = panel.runs[0].bytes / 4 * 4;  // runs are of one length
  const int rest = static_cast<int>(panel.runs[0].bytes - whole);
  const Word mask = Word{} + ((1u << 8 * rest) - 1);
  for (int r = 0; r < panel.n_runs; ++r) {
    const int64_t begin = panel.runs[r].offset, end = begin + whole;
    for (int64_t k = begin; k < end; k += 4, weights += row) {
      Word w[G];
      UNROLLED
      for (int g = 0; g < G; ++g) w[g] = load<Word>(weights + 4 * kLanes * g);
      UNROLLED
      for (int p = 0; p < P; ++p) {
        const Word x = word_at(fields[p] + k);
        UNROLLED
        for (int g = 0; g < G; ++g) tallies[p][g] = tally(tallies[p][g], x ^ w[g]);
      }
      if (kTallies && --room == 0) room = empty(totals, tallies);
    }
    if (rest == 0) continue;
    UNROLLED
    for (int p = 0; p < P; ++p) {
      const Word x = word_at(fields[p] + end);
      UNROLLED
      for (int g = 0; g < G; ++g) {
        const Word w = load<Word>(weights + 4 * kLanes * g);
        tallies[p][g] = tally(tallies[p][g], differ(x, w, mask));
      }
    }
    weights += row;
    if (kTallies && --room == 0) room = empty(totals, tallies);
  }
  int32_t* counts = static_cast<int32_t*>(panel.counts) + int64_t{unit} * panel.width + filter;
  UNROLLED
  for (int p = 0; p < P; ++p)
    UNROLLED
    for (int g = 0; g < G; ++g)
      save(counts + p * panel.width + g * kLanes, total(totals[p][g], tallies[p][g]));
}

template <int P, int G>
inline void words_units(const Panel& panel, int unit) {
  for (; unit + P <= panel.count; unit += P)
    for (int filter = 0; filter < panel.width; filter += G * kLanes)
      words_tile<P, G>(panel, unit, filter);
  if constexpr (P > 1) {
    if (unit < panel.count) words_units<P / 2, G>(panel, unit);
  }
}

void words_panel(const Panel& panel) {
  if (panel.width >= 4 * kLanes && kTileVectors >= 4) {
    words_units<kTilePixels(4), 4>(panel, 0);
  } else if (panel.width >= 2 * kLanes && kTileVectors >= 2) {
    words_units<kTilePixels(2), 2>(panel, 0);
  } else {
    words_units<kTilePixels(1), 1>(panel, 0);
  }
}

int64_t words_laid_out(int64_t bytes, int width) { return bytes * width; }

void words_lay_out(const uint8_t* weights, int filters, int64_t bytes, int width, uint8_t* out) {
  for (int64_t k = 0; k < bytes; k += 4)
    for (int f = 0; f < width; ++f, out += 4)
      if (f < filters) {
        __builtin_memcpy(out, weights + f * bytes + k, 4);
      } else {
        __builtin_memset(out, 0, 4);
      }
}
