// Ops that take each pixel by itself: mixes, epilogues alone, packing.
#include <algorithm>

#include "pool.h"
#include "real_ops.h"
#include "room.h"

namespace bnn {
namespace {

constexpr int64_t kSome = 4096;   // floats that are worked on at a time
constexpr int64_t kFew = 1024;    // and where several maps are: they fit the first cache together

std::vector<float> copied(const char* name, const float* from, int64_t n) {
  if (!from) return {};
  finite(name, from, n);
  return {from, from + n};
}

}  // namespace

Mix::Mix(Blend kind, const MapShape& in, int64_t outputs, const After& after, const float* blend,
         const float* sums, const float* thresholds, const Isa& isa)
    : kind_(kind), in_((in.check(), in)), outputs_(outputs), after_(after), isa_(isa) {
  const int64_t n = kind == Blend::gate ? std::min(in.sets, outputs) : outputs * in.sets;
  blend_ = copied("blend", blend, n);
  sums_ = copied("sums", sums, in.sets);
  thresholds_ = copied("thresholds", thresholds, outputs * after.signs * in.channels);
}

Shapes Mix::shapes() const {
  Shapes s{};
  s.reads = in_.maps();
  if (after_.floats) s.floats = {outputs_, in_.height, in_.width, in_.channels, false};
  if (after_.signs)
    s.bits = {outputs_ * after_.signs, in_.height, in_.width, (in_.channels + 7) / 8, true};
  return s;
}

void Mix::run(int64_t batch, const Io& io, int threads) const {
  const int64_t all = batch * in_.height * in_.width, channels = in_.channels;
  const int64_t some = std::max<int64_t>(1, kFew / channels), bytes = (channels + 7) / 8;
  auto work = [&](int64_t item) {
    const int64_t first = item * some, pixels = std::min(some, all - first);
    const int64_t count = pixels * channels;
    const float* branches[64];
    for (int64_t i = 0; i < in_.sets; ++i)
      branches[i] = static_cast<const float*>(io.reads[i]) + first * channels;
    float* aggregate = reinterpret_cast<float*>(room<0>(8 * some * channels));
    float* held = aggregate + some * channels;
    if (kind_ == Blend::gate)
      isa_.real->weigh({branches, static_cast<int>(in_.sets),
                        sums_.empty() ? nullptr : sums_.data(), count, aggregate});
    for (int64_t o = 0; o < outputs_; ++o) {
      float* to = after_.floats ? io.floats + (o * all + first) * channels : held;
      mix(branches, o, count, aggregate, to);
      for (int64_t s = o * after_.signs; s < (o + 1) * after_.signs; ++s)
        isa_.pack(to, pixels, static_cast<int>(channels), thresholds_.data() + s * channels,
                  io.bits + (s * all + first) * bytes);
    }
  };
  parallel((all + some - 1) / some, threads, work);
}

void Mix::mix(const float* const* branches, int64_t output, int64_t count, const float* aggregate,
              float* to) const {
  const int n = static_cast<int>(in_.sets);
  if (kind_ == Blend::route) {
    isa_.real->weigh({branches, n, blend_.data() + output * n, count, to});
  } else if (kind_ != Blend::gate) {
    isa_.real->weigh({branches, n, sums_.empty() ? nullptr : sums_.data(), count, to});
  } else if (output < n) {
    const float own = blend_[output];
    isa_.real->gate(branches[output], aggregate, own, 1.0f - own, count, to);
  } else {
    std::copy_n(aggregate, count, to);
  }
}

Affine::Affine(const MapShape& in, const After& after, const Constants& constants, const Isa& isa)
    : in_((in.check(), in)),
      ending_(after, constants, in.sets, in.channels),
      width_(std::min<int64_t>(round_up(in.channels, kPiece), kWidest)),
      ops_(*isa.real) {}

Shapes Affine::shapes() const {
  Shapes s{};
  s.reads = in_.maps();
  ending_.shape(s, in_.height, in_.width);
  return s;
}

void Affine::run(int64_t batch, const Io& io, int threads) const {
  const int64_t all = batch * in_.height * in_.width;
  const int64_t some = kSome / width_, panels = (all + some - 1) / some;
  const int64_t blocks = (in_.channels + width_ - 1) / width_;
  auto work = [&](int64_t item) {
    alignas(64) float sum[kSome];
    const int64_t first = item / blocks * some, channel = item % blocks * width_;
    for (int64_t pair = 0; pair < in_.sets; ++pair) {
      Finish f = ending_.finish(pair, channel, width_, first, all, io);
      f.counts = static_cast<const float*>(io.reads[pair]) + first * in_.channels + channel;
      f.row_counts = static_cast<int>(in_.channels);
      f.pixels = static_cast<int>(std::min(some, all - first));
      f.sum = ending_.after.sum && in_.sets > 1 ? sum : nullptr;
      ops_.finish(f);
    }
  };
  parallel(panels * blocks, threads, work);
}

Pack::Pack(const MapShape& in, int64_t signs, const float* thresholds, const Isa& isa)
    : in_((in.check(), in)),
      signs_(signs),
      isa_(isa),
      thresholds_(copied("thresholds", thresholds, in.sets * signs * in.channels)) {}

Shapes Pack::shapes() const {
  Shapes s{};
  s.reads = in_.maps();
  s.bits = {in_.sets * signs_, in_.height, in_.width, (in_.channels + 7) / 8, true};
  return s;
}

void Pack::run(int64_t batch, const Io& io, int threads) const {
  const int64_t all = batch * in_.height * in_.width, bytes = (in_.channels + 7) / 8;
  const int64_t some = std::max<int64_t>(1, kSome / in_.channels), parts = (all + some - 1) / some;
  auto work = [&](int64_t item) {
    const int64_t set = item / parts, first = item % parts * some;
    const float* from = static_cast<const float*>(io.reads[set]) + first * in_.channels;
    for (int64_t s = set * signs_; s < (set + 1) * signs_; ++s)
      isa_.pack(from, std::min(some, all - first), static_cast<int>(in_.channels),
                thresholds_.data() + s * in_.channels, io.bits + (s * all + first) * bytes);
  };
  parallel(in_.sets * parts, threads, work);
}

}  // namespace bnn
