// The sizes of both gradients' tables, and where their numbers lie. Included by learn_backward.cpp,
// inside its namespace, behind learn_vector.h.

constexpr int64_t kEntries = 16;   // of a table
constexpr int64_t kTable = kEntries * kFilters;  // floats of a table of 4 pixels
constexpr int64_t kGroups = 16;    // tables of 4 pixels that are used together
constexpr int64_t kColumns = 8;    // of them, side by side
constexpr int64_t kVectors = 4;    // vectors of 8 pixels that are used together
constexpr int64_t kPad = 8;        // zeros between the rows of a table of filters

// Where the numbers of an image lie. Columns of the input are told apart by their remainder by the
// stride (their phase): then what one place of the kernel meets lies side by side. A padded column
// is index * stride + phase.
struct Layout {
  const Shape& s;
  int64_t height, width;    // of the output
  int64_t pitch;            // its width in whole vectors
  int64_t rows;             // its height in whole strips of either gradient
  int64_t in_rows;          // padded rows of the input that those reach
  int64_t group_rows;       // rows of a strip of the weights' gradient
  int64_t vectors;          // of a row of one phase of the input
  int64_t vector_rows;      // rows of a strip of the input's gradient
  int64_t plane_bytes;      // of a row of one phase and channel of the signs
  int64_t table_row, entry; // floats of a row in a table of filters, and of an entry

  explicit Layout(const Shape& shape) : s(shape) {
    height = s.out(s.height);
    width = s.out(s.width);
    pitch = round_up(width, 8);
    group_rows = std::max<int64_t>(1, kGroups / (pitch / 4));
    vectors = ((s.width + s.stride - 1) / s.stride + 7) / 8;
    if (vectors > 2) vectors = round_up(vectors, kVectors);
    vector_rows = std::max<int64_t>(1, kVectors / vectors);
    rows = round_up(round_up(height, group_rows), vector_rows);
    in_rows = std::max(s.stride * (rows - 1) + s.dilation * (s.kernel - 1) + 1,
                       s.height + s.padding);
    plane_bytes = std::max(round_up(pitch, 32), round_up(vectors * 8 + first(0), 32)) / 8 +
                  8 + round_up(shift(s.kernel - 1), 32) / 8;
    table_row = vectors * 8 + kPad;
    entry = kPad + vector_rows * table_row;
  }
  int64_t phase(int64_t kx) const { return kx * s.dilation % s.stride; }
  int64_t shift(int64_t kx) const { return kx * s.dilation / s.stride; }
  // The index of the first column of a phase that is not padding.
  int64_t first(int64_t phase) const {
    return std::max<int64_t>(0, s.padding - phase + s.stride - 1) / s.stride;
  }
  int64_t column(int64_t phase, int64_t i) const {
    return (first(phase) + i) * s.stride + phase - s.padding;
  }
  int64_t reach() const {  // how far before or behind a row of the output a column looks
    int64_t most = 0;
    for (int64_t kx = 0; kx < s.kernel; ++kx)
      most = std::max(most, std::abs(first(phase(kx)) - shift(kx)));
    return most;
  }
  int64_t out_row() const { return s.stride * vectors * 8; }
  int64_t table_floats() const {
    return std::max(kGroups * kTable, 4 * kEntries * entry);
  }
};
