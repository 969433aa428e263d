// The ops that compute with real numbers.
#include "border.h"

void bind_real(nanobind::module_&) {}
