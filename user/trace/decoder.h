// The payload of a chunk -> records.
#pragma once

#include <cstdint>
#include <string_view>

#include "trace/delivery.h"

namespace gotrace::trace {

// Delivers what `payload` holds, in order; leaves out what is malformed or not known.
void decode_payload(std::string_view payload, Delivery& out);

}  // namespace gotrace::trace
