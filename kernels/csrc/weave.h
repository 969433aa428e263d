// How bands are stored: lines of the image woven together, 64 bytes at a time. Included inside a
// namespace, after it has defined
//
//   Word permuted(Word bytes, Word index)    the bytes that index names
//   Word running(Word words)                 the xor of the first 1, 2, .. of 16 words
//   Word last_of(Word words)                 the last word in all lanes

// Three lines, whose pieces repeat after three times 64 bytes: as 3x3 kernels have them nearly
// always. All that says where bytes go stays in registers.
template <bool kRunning>
void weave_thrice(const uint8_t* lines, int64_t n, const Weave& how, uint8_t* to) {
  int64_t at[9];
  Word index[9], mask[9];
  UNROLLED
  for (int i = 0; i < 9; ++i) {
    const Weave::Piece& piece = how.pieces[i];
    at[i] = i % 3 * how.apart + piece.from;
    index[i] = load<Word>(piece.index), mask[i] = load<Word>(piece.mask);
  }
  const int64_t step = how.step, next = how.next, bytes = how.bytes, stored = how.stored;
  for (; n > 0; --n, lines += next, to += stored) {
    __builtin_memset(to + kLead - 4, 0, 4);
    uint8_t *band = to + kLead, *const end = band + bytes;
    Word before = {};
    for (const uint8_t* line = lines; band < end; line += step)
      UNROLLED
      for (int i = 0; i < 9 && band < end; i += 3, band += 64) {
        Word words = permuted(load<Word>(line + at[i]), index[i]) & mask[i];
        words |= permuted(load<Word>(line + at[i + 1]), index[i + 1]) & mask[i + 1];
        words |= permuted(load<Word>(line + at[i + 2]), index[i + 2]) & mask[i + 2];
        if (kRunning) words = running(words) ^ before, before = last_of(words);
        save(band, words);
      }
  }
}

template <bool kRunning>
void weave(const uint8_t* lines, int64_t n, const Weave& how, uint8_t* to) {
  if (how.lines == 3 && how.period == 3) return weave_thrice<kRunning>(lines, n, how, to);
  const Weave::Piece *const first = how.pieces.data(), *const end = first + how.pieces.size();
  for (; n > 0; --n, lines += how.next, to += how.stored) {
    __builtin_memset(to + kLead - 4, 0, 4);
    const Weave::Piece* piece = first;
    const uint8_t* line = lines;
    Word before = {};
    for (int64_t k = 0; k < how.bytes; k += 64) {
      Word words = {};
      for (int i = 0; i < how.lines; ++i, ++piece)
        words |= permuted(load<Word>(line + i * how.apart + piece->from),
                          load<Word>(piece->index)) & load<Word>(piece->mask);
      if (kRunning) words = running(words) ^ before, before = last_of(words);
      save(to + kLead + k, words);
      if (piece == end) piece = first, line += how.step;
    }
  }
}
