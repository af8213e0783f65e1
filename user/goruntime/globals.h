// Where the runtime's globals are in a program without symbols: by the operands of functions that use them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "goruntime/function_table.h"
#include "goruntime/layouts.h"
#include "goruntime/module_data.h"

namespace gotrace::goruntime {

struct Globals {
  std::map<std::string, std::uint64_t, std::less<>> found;  // name -> link-time address
  std::map<std::string, std::string, std::less<>> missing;  // name -> why
  std::size_t wait_reason_count = 0;                        // elements of waitReasonStrings; 0: unknown
};

// `code`: the machine code of a function as the file has it; may be nullopt. `image`: the file's bytes.
using CodeReader = std::function<std::optional<Bytes>(const FunctionRange&)>;
[[nodiscard]] Globals find_globals(const FunctionTable& functions, const CodeReader& code, const ImageReader& image,
                                   const ModuleData& module, const Layout& layout);

}  // namespace gotrace::goruntime
