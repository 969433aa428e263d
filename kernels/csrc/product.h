// What an instruction set offers: products of signs, and what is done to them before they leave.
//
// A *product* turns one panel (some output pixels times 16, 32 or 64 filters) into mismatch counts:
// how often an input sign differs from a weight sign. The dot product is `products - 2 * count`.
// `finish` turns counts into what the caller asked for while they are still in the first cache.
//
// Everything here is plain data: an instruction set is a table of functions (isa.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace bnn {

constexpr int kWidest = 64;         // filters in the widest block
constexpr int kNarrowest = 16;      // every block is a multiple of this
constexpr int kPanelPixels = 64;    // at most this many output pixels in a panel of the widest
                                    // block, more where all blocks are narrow
constexpr int64_t kLead = 64;       // bytes before a band; the last four of them are zero
constexpr int kPerPixel = 2;        // rows of counts: a unit may reach past the end of a row
constexpr int kPositions = 256;     // in a panel of positions

// The bytes of one receptive field, as stretches that lie side by side in memory.
struct Run {
  int64_t offset;  // from the first byte of the field
  int64_t bytes;
};

struct Panel {
  const uint8_t* input;    // stored form, see Product::store
  const int64_t* units;    // where each unit's field begins, in stored bytes
  int count;               // units
  int64_t step;            // in positions, stored bytes from one to the next
  int wide, left;          // and pixels that lie side by side: in a row, and before the first row ends
  int64_t skip;            // positions of no pixel at the end of a row
  const Run* runs;         // in stored bytes
  int n_runs;
  const uint8_t* weights;  // this block's, as laid out by the product
  int width;               // filters: 16, 32 or 64
  int products;            // signs in one dot product
  void* counts;            // [count * unit][width], int32 or uint16 as the instruction set counts
  uint8_t* scratch;        // Product::scratch bytes, or null
};

struct Finish;

enum class Form {
  rows,     // fields are read from the padded image
  bands,    // fields are stretches of bands, one for each row of output: all columns of the padded
            // image, and of each the pixels that this row needs; those `dilation` apart are neighbours
  positions,  // the same, by units of neighbours that may run on into the border, and the next row
  patches,  // each field is first copied together (im2col), in panels that fit a cache
  planes,   // each row of the padded image is cut into planes: one nibble of all of its pixels,
            // a byte to each; those that a stride apart are neighbours. A run is one nibble
};

// How lines of the padded image become bands: 64 bytes at a time, each of which comes from one line.
struct Weave {
  struct alignas(64) Piece {
    uint8_t index[64];  // which of 64 bytes of the line
    uint8_t mask[64];   // 255 where the byte is one of this line
    int64_t from;       // where those 64 bytes begin
  };
  int lines;                  // of a band, that are woven together
  int64_t apart;              // bytes from one of them to the next
  int64_t next;               // bytes from the first line of a band to the first of the next band
  int64_t bytes;              // of a band, a multiple of 64
  int64_t stored;             // bytes from one band to the next
  int64_t period;             // pieces repeat after so many times 64 bytes
  int64_t step;               // and so many bytes of the lines
  std::vector<Piece> pieces;  // [period][lines]
};

// Positions of 64 bytes, a line of the cache, or several: one plane has the first line of each of
// them side by side, the next plane the second ones.
struct Lines {
  int64_t count;  // lines of a position: planes
  int64_t plane;  // bytes from a plane to the next
};

// What a processor wants to be told before some work, and after it: for a thread that is at work.
struct Mode {
  void (*enter)();
  void (*leave)();
};

class Entered {
 public:
  explicit Entered(const Mode* mode) : mode_(mode) {
    if (mode_) mode_->enter();
  }
  ~Entered() {
    if (mode_) mode_->leave();
  }
  Entered(const Entered&) = delete;
  Entered& operator=(const Entered&) = delete;

 private:
  const Mode* const mode_;
};

struct Product {
  const char* name;
  const char* about;
  Form form;
  int64_t most;    // products that a count can hold
  int unit = 1;    // output pixels that are stored, and counted, together: 1 or 2, or 16
  int pixel_bytes = 0;  // pixels have so many, and the stride is 1; 0: as many as they like
  int grow = 1;    // stored bytes for one packed byte
  int align = 1;   // the weights of a run are padded to a whole number of this many packed bytes, and
                   // so is a patch; reading a run from the image, the product masks what is beyond
  int column = 1;  // in bands, columns are padded to a whole number of this many bytes
  int pixels = kPanelPixels;  // output pixels in a panel of the widest block, at most that many

  // Stores `bytes` packed bytes of one pixel, or of a unit of two, in the form that `panel` reads;
  // null for planes and bands, and where that is the packed bytes themselves.
  void (*store)(const uint8_t* first, const uint8_t* second, int64_t bytes, uint8_t* out) = nullptr;
  // Stores a row of positions that are whole lines.
  void (*store_lines)(const uint8_t* row, int64_t pixels, const Lines& to, uint8_t* out) = nullptr;
  // Stores n bands, whose first lines begin with the first of `lines`; only for bands.
  void (*weave)(const uint8_t* lines, int64_t n, const Weave& how, uint8_t* bands) = nullptr;
  // Lays out the weights of one block: `filters` of `width` rows of `bytes` bytes, the rest zero.
  void (*lay_out)(const uint8_t* weights, int filters, int64_t bytes, int width, uint8_t* out);
  int64_t (*laid_out)(int64_t bytes, int width);  // how many bytes that takes
  int64_t (*scratch)(int64_t bytes, int width) = nullptr;  // bytes that a panel wants besides
  void (*panel)(const Panel&);
  // What `panel` does, each tile finished while its counts are in the first cache; null: it has none.
  void (*whole)(const Panel&, const Finish&) = nullptr;
  const Mode* mode = nullptr;  // in which panels are counted

  bool as_packed() const { return !store && (form == Form::rows || form == Form::patches); }
};

// What becomes of the counts of one panel, one pair of input and base. See kernels/epilogue.py.
struct Finish {
  const void* counts;
  const int32_t* rows;  // for each output pixel, its row in counts
  int row_counts;       // how many counts a row has
  int first_count;      // and where in it these filters begin
  int pixels;
  int width;     // filters in counts and in all constants
  int channels;  // of them, how many there are: 1 to width
  int products;

  int32_t* dots;            // raw dot products, or null; then nothing else is done
  int64_t dots_stride;      // from one pixel to the next

  const int32_t* limits;    // signs straight from counts: set where count > limit, or null
  int64_t limits_stride;    // from one sign to the next

  const float* scale;
  const float* shift;
  const float* slope;       // of the inner curve, or null
  const float* each;        // a residual of this pair, or null
  int64_t each_stride;
  float each_scale;

  float* sum;               // [pixels][width] carried from pair to pair, or null
  bool first, last;         // of the pairs that are summed

  const float* one;         // a residual added last, or null
  int64_t one_stride;
  const float* before;      // the outer step, or null
  const float* curve;       // slopes of its curve, or null
  const float* after;
  float* floats;            // or null
  int64_t floats_stride;
  const float* thresholds;  // [signs][thresholds_stride]
  int64_t thresholds_stride;
  int signs;
  uint8_t* bits;            // where the first sign's bits of the first pixel go
  int64_t bits_stride;      // bytes from one pixel to the next
  int64_t sign_stride;      // bytes from one sign to the next
};

}  // namespace bnn
