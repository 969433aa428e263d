#include "isa.h"

#include <stdexcept>

namespace bnn {

const std::vector<const Isa*>& isas() {
  static const std::vector<const Isa*> table = {
#if defined(__x86_64__)
      &kAmx, &kAvx512, &kAvx2,
#endif
#if defined(__aarch64__)
      &kNeon,
#endif
      &kPortable,
  };
  return table;
}

const Isa& isa_named(const std::string& name) {
  std::string can, known;
  for (const Isa* isa : isas()) {
    if (isa->runs_here()) {
      if (name == isa->name) return *isa;
      can += (can.empty() ? "" : ", ") + std::string(isa->name);
    } else if (name == isa->name) {
      known = name;
    }
  }
  const std::string what = known.empty() ? "no instruction set is called '" + name + "'; this CPU"
                                         : "this CPU cannot run '" + name + "'; it";
  throw std::invalid_argument(what + " can run: " + can);
}

const Product& product_named(const Isa& isa, const std::string& name) {
  std::string has;
  for (int i = 0; i < isa.n_products; ++i) {
    if (name == isa.products[i].name) return isa.products[i];
    has += (has.empty() ? "" : ", ") + std::string(isa.products[i].name);
  }
  throw std::invalid_argument(std::string(isa.name) + " has no variant '" + name +
                              "'; it has: " + has);
}

}  // namespace bnn
