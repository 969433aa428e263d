// A panel, tile by tile: each is finished while its counts are in registers, or in the first cache.
// Included by instruction sets whose tiles have all filters of a block, after finish_rows.h.
//
// A tile is a class that is made of a panel and has
//
//   kPixels(vectors)         how many pixels it counts together, with so many vectors of filters
//   run<P, G>(unit, then)    gives the counts of P pixels and G vectors of filters to `then`
//
// What it and `Signs` know is copied from the panel first: else each store of a sign, which might
// change anything, would have all of it read again.

// Signs straight from counts in registers.
struct Signs {
  const int32_t* limits;
  int64_t limits_stride;
  uint8_t* bits;
  int64_t stride, sign_stride;
  int signs;

  explicit Signs(const Finish& f)
      : limits(f.limits), limits_stride(f.limits_stride), bits(f.bits), stride(f.bits_stride),
        sign_stride(f.sign_stride), signs(f.signs) {}

  template <int P, int G>
  inline void put(int pixel, const I (&counts)[P][G], const int32_t* most, uint8_t* to) const {
    constexpr int kBytes = kLanes / 8;
    to += pixel * stride;
    UNROLLED
    for (int p = 0; p < P; ++p, to += stride)
      UNROLLED
      for (int g = 0; g < G; ++g) {
        const uint32_t over = greater(counts[p][g], load<I>(most + g * kLanes));
        __builtin_memcpy(to + g * kBytes, &over, kBytes);
      }
  }

  template <int P, int G>
  inline void put(int pixel, const I (&counts)[P][G]) const {
    put(pixel, counts, limits, bits);
    for (int s = 1; s < signs; ++s)
      put(pixel, counts, limits + s * limits_stride, bits + s * sign_stride);
  }
};

// Where counts go.
template <int P, int G>
inline void keep(const I (&counts)[P][G], int32_t* to) {
  UNROLLED
  for (int p = 0; p < P; ++p)
    UNROLLED
    for (int g = 0; g < G; ++g) save(to + (p * G + g) * kLanes, counts[p][g]);
}

template <class Tile, int P, int G>
void count_tiles(const Panel& panel, int unit, int end, int32_t* to) {
  const Tile tile(panel);
  for (; unit + P <= end; unit += P, to += P * G * kLanes)
    tile.template run<P, G>(unit, [to](const I (&counts)[P][G]) { keep(counts, to); });
  if constexpr (P > 1) {
    if (unit < end) count_tiles<Tile, P / 2, G>(panel, unit, end, to);
  }
}

template <class Tile, int P, int G>
void sign_tiles(const Panel& panel, const Finish& f, int unit) {
  const Tile tile(panel);
  const Signs signs(f);
  for (const int count = panel.count; unit + P <= count; unit += P)
    tile.template run<P, G>(unit, [&](const I (&counts)[P][G]) { signs.put(unit, counts); });
  if constexpr (P > 1) {
    if (unit < panel.count) sign_tiles<Tile, P / 2, G>(panel, f, unit);
  }
}

// Floats straight from counts in registers.
template <class Tile, int P, int G, bool kPlain, bool... kSteps>
void float_tiles(const Panel& panel, const Finish& f, int unit) {
  const Tile tile(panel);
  const Rows<G * kLanes / kLine, kPlain, kSteps...> rows(f);
  for (const int count = panel.count; unit + P <= count; unit += P)
    tile.template run<P, G>(unit, [&](const I (&counts)[P][G]) { rows.finish(counts, unit); });
  if constexpr (P > 1) {
    if (unit < panel.count) float_tiles<Tile, P / 2, G, kPlain, kSteps...>(panel, f, unit);
  }
}

template <class Tile, int P, int G, bool kInner>
void one_tiles(const Panel& panel, const Finish& f) {
  f.floats && f.signs == 1
      ? float_tiles<Tile, P, G, true, kInner, false, true, false, false>(panel, f, 0)
      : float_tiles<Tile, P, G, false, kInner, false, true, false, false>(panel, f, 0);
}

// The endings that networks have most: with one base, and with branches that are summed. For more of
// them the code would be large; they are finished from memory, and so is one vector a pixel, since it
// is faster to take 64 of those at once.
template <class Tile, int G>
bool usual_tiles(const Panel& panel, const Finish& f) {
  if (G == 1 || f.channels != f.width || f.before) return false;
  constexpr int P = Tile::kPixels(G);
  if (f.one && !f.sum && !f.each) {
    f.slope ? one_tiles<Tile, P, G, true>(panel, f) : one_tiles<Tile, P, G, false>(panel, f);
    return true;
  }
  if (f.sum && f.slope && f.each && !f.one) {
    float_tiles<Tile, P, G, false, true, true, false, false, true>(panel, f, 0);
    return true;
  }
  return false;
}

template <class Tile, int G>
void any_tiles(const Panel& panel, const Finish& f) {
  constexpr int P = Tile::kPixels(G), kSome = P * G >= 64 ? P : 64 / G;
  alignas(64) int32_t room[kSome * G * kLanes];
  const End end = tile_end(f);
  for (int unit = 0; unit < panel.count; unit += kSome) {
    const int until = unit + kSome < panel.count ? unit + kSome : panel.count;
    count_tiles<Tile, P, G>(panel, unit, until, room);
    end(f, {room, G * kLanes, kInOrder}, unit, until);
  }
}

template <class Tile>
void panel_of(const Panel& panel) {
  int32_t* const to = static_cast<int32_t*>(panel.counts);
  if (panel.width == 4 * kLanes) {
    count_tiles<Tile, Tile::kPixels(4), 4>(panel, 0, panel.count, to);
  } else if (panel.width == 2 * kLanes) {
    count_tiles<Tile, Tile::kPixels(2), 2>(panel, 0, panel.count, to);
  } else {
    count_tiles<Tile, Tile::kPixels(1), 1>(panel, 0, panel.count, to);
  }
}

template <class Tile, int G>
void whole_of(const Panel& panel, const Finish& f) {
  if (f.limits && f.channels == f.width) {
    sign_tiles<Tile, Tile::kPixels(G), G>(panel, f, 0);
  } else if (!usual_tiles<Tile, G>(panel, f)) {
    any_tiles<Tile, G>(panel, f);
  }
}

template <class Tile>
void whole_of(const Panel& panel, const Finish& f) {
  if (panel.width == 4 * kLanes) {
    whole_of<Tile, 4>(panel, f);
  } else if (panel.width == 2 * kLanes) {
    whole_of<Tile, 2>(panel, f);
  } else {
    whole_of<Tile, 1>(panel, f);
  }
}
