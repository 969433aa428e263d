// The convolution on pixels: a weight of 16 bits is two bytes, 256 * upper + lower, the upper one
// signed, and the two products are added up apart, each exact. Included by amx.cpp inside its
// namespace.
//
// A window is not one stretch of the image, so the windows of a row of output are copied together,
// where all blocks of filters find them.

#include "stem_windows.h"

namespace stem {

constexpr int kPixels = 32;  // two tiles
constexpr int kRooms = 2;   // for sums: what was stored just before could not be read yet
constexpr int kHalf = kPixels * kLine;  // sums of upper bytes, after which are those of lower ones
constexpr int kCopied = 32;  // bytes at a time, so that a run (28 at most) is one copy

int64_t chunks(const StemWindow& window) { return (window.rows * window.run + 63) / 64; }

// [chunk][upper, lower][16 rows][16 filters][4 bytes]: two tiles for each 64 bytes of a window.
int64_t laid_out(const StemWindow& window) { return chunks(window) * 2048; }

void lay_out(const StemWindow& window, const int16_t* weights, int64_t filters, uint8_t* out) {
  __builtin_memset(out, 0, laid_out(window));
  const int64_t bytes = window.rows * window.run;
  for (int64_t f = 0; f < filters; ++f)
    for (int64_t i = 0; i < bytes; ++i, ++weights) {
      uint8_t* to = out + i / 64 * 2048 + i % 64 / 4 * 64 + f * 4 + i % 4;
      const uint16_t weight = static_cast<uint16_t>(*weights);
      to[0] = static_cast<uint8_t>(weight >> 8);
      to[1024] = static_cast<uint8_t>(weight & 255);
    }
}

// The windows of kPixels pixels, and what the copy of the last one writes too much.
int64_t gathered(const StemWindow& window) { return kPixels * 64 * chunks(window) + 64; }

// Those that are multiplied and those that are next; of each block, the sums of the last columns,
// which the next windows begin with.
int64_t scratch(const StemWindow& window, int, int blocks, int widest) {
  return 2 * gathered(window) + int64_t{blocks} * (widest - 1) * kLine * 4;
}

// The windows of the pixels first .. end, of kRows rows; 0: as many as there are.
template <int kRows>
void gather(const StemRow& row, int first, int end, int64_t size, uint8_t* to) {
  const int64_t line = row.window.line, run = row.window.run;
  const int64_t rows = kRows ? kRows : row.window.rows, step = row.step;
  const uint8_t* from = row.input + first * step;
  for (int p = first; p < end; ++p, from += step, to += size) {
    UNROLLED
    for (int64_t y = 0; y < rows; ++y) __builtin_memcpy(to + y * run, from + y * line, kCopied);
  }
}

// Those of kPixels from `first` on, if there are any.
void gather(const StemRow& row, int first, int64_t size, uint8_t* to) {
  const int end = first + kPixels < row.pixels ? first + kPixels : row.pixels;
  if (row.window.rows == 7) return gather<7>(row, first, end, size, to);
  gather<0>(row, first, end, size, to);
}

// The sums of U tiles of 16 pixels, into registers.
template <int U>
inline void multiply_tiles(const uint8_t* windows, int64_t size, int64_t chunks,
                           const uint8_t* weights) {
  zero<0>(), zero<1>();
  if constexpr (U > 1) zero<2>(), zero<3>();
  for (int64_t c = 0; c < chunks; ++c, windows += 64, weights += 2048) {
    load_tile<6>(weights, 64);
    load_tile<4>(windows, size);
    multiply_pixels<0, 4, 6, true>();
    load_tile<7>(weights + 1024, 64);
    multiply_pixels<1, 4, 7, false>();
    if constexpr (U > 1) {
      load_tile<5>(windows + 16 * size, size);
      multiply_pixels<2, 5, 6, true>();
      multiply_pixels<3, 5, 7, false>();
    }
  }
}

// [upper, lower][pixels][16 filters]
template <int U>
inline void store_tiles(int32_t* sums) {
  store_tile<0>(sums, 64);
  store_tile<1>(sums + kHalf, 64);
  if constexpr (U > 1) {
    store_tile<2>(sums + 256, 64);
    store_tile<3>(sums + kHalf + 256, 64);
  }
}

// Tiles of a block that were multiplied: the pixels first .. end, and the windows that end there.
struct Due {
  int block, first, end, window, last;
};

// Their sums, of the columns from `first` on, in two halves.
struct Halves {
  const int32_t* halves;
  int first;
  inline I operator()(int column, int) const {
    const int32_t* upper = halves + int64_t{column - first} * kLine;
    return load<I>(upper) * 256 + load<I>(upper + kHalf);
  }
};

// .. and of some before, as they were kept.
struct Joined {
  Halves now;
  const int32_t* kept;  // behind the last of them
  inline I operator()(int column, int v) const {
    if (column >= now.first) return now(column, v);
    return load<I>(kept + int64_t{column - now.first} * kLine);
  }
};

// The sums of those tiles go to the pool.
void take(const StemRow& row, const Due& due, const int32_t* halves) {
  const int n = row.widest - 1;
  int32_t* kept = reinterpret_cast<int32_t*>(row.scratch + 2 * gathered(row.window)) +
                  int64_t{due.block + 1} * n * kLine;
  const Joined sums{{halves, due.first}, kept};
  int window = due.window;
  for (; window < due.last && row.left[window] < due.first; ++window)
    give_one(row, due.block, window, sums);
  give(row, due.block, window, due.last, sums.now);
  for (int x = due.end - n; x < due.end; ++x) save(kept + (x - due.end) * kLine, sums(x, 0));
}

// Two tiles at a time. Some before go to the pool, and the next windows are gathered, while they
// are multiplied, and before they are stored: a load waits for a store to the same place of another
// page.
void row(const StemRow& given) {
  const StemRow r = given;
  const int64_t n = chunks(r.window), size = 64 * n, block_bytes = laid_out(r.window);
  alignas(64) int32_t room[kRooms][1024];
  Due due[kRooms] = {};
  int turn = 0, window = 0;
  const auto asked = [&](int pixels) {  // for a share of the lines with each share of the row
    const int64_t more = int64_t{r.soon_end - r.soon_first} * pixels / r.pixels;
    return r.soon_first + static_cast<int>(more);
  };
  const auto take_one = [&] { take(r, due[turn % kRooms], room[turn % kRooms]); };  // the first
  gather(r, 0, size, r.scratch);
  for (int p = 0, side = 0; p < r.pixels; p += kPixels, side ^= 1) {
    const uint8_t* windows = r.scratch + side * gathered(r.window);
    const int end = p + kPixels < r.pixels ? p + kPixels : r.pixels;
    const bool both = end - p > 16;
    int last = window;
    while (last < r.windows && r.right[last] <= end) ++last;
    const int soon = asked(p), next_soon = asked(end);
    for (int b = 0; b < r.blocks; ++b, ++turn) {
      const uint8_t* weights = r.weights + b * block_bytes;
      both ? multiply_tiles<2>(windows, size, n, weights)
           : multiply_tiles<1>(windows, size, n, weights);
      if (b == 0) gather(r, p + kPixels, size, r.scratch + (side ^ 1) * gathered(r.window));
      r.ask(b, soon, next_soon);
      take_one();
      both ? store_tiles<2>(room[turn % kRooms]) : store_tiles<1>(room[turn % kRooms]);
      due[turn % kRooms] = {b, p, end, window, last};
    }
    window = last;
  }
  for (int i = 0; i < kRooms; ++i, ++turn) take_one();
}

}  // namespace stem
