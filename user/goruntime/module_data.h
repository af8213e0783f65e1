// Finds Go's function table and the runtime's firstmoduledata in a program without symbols: the table by its header,
// the module data as the place in writable memory that points to it. runtime/symtab.go (moduledata), Go 1.15 to 1.27.
#pragma once

#include <array>
#include <cstdint>

#include "base/result.h"
#include "goruntime/layouts.h"
#include "goruntime/pclntab.h"
#include "goruntime/program.h"
#include "process/elf_image.h"
#include "process/memory.h"

namespace gotrace::goruntime {

// All addresses are link-time ones.
struct ModuleData {
  std::uint64_t address = 0;        // of runtime.firstmoduledata
  std::uint64_t table_address = 0;  // of the function table's header
  std::uint64_t table_size = 0;
  PclnFormat format = PclnFormat::go12;
  std::uint64_t text = 0, text_end = 0;
  std::uint64_t go_func = 0;  // 0: none (before Go 1.18)
  DataRange noptrdata{}, data{}, bss{}, noptrbss{};

  // Writable Go globals lie in one of the four ranges. With external linking these are not in one piece.
  [[nodiscard]] bool is_global(std::uint64_t address_in_question) const;
};

// `memory` and `bias`: the live process; read only when the image is position independent, where the file holds no
// pointers yet. `layout`: of the program's Go version. Error (failed) says what is damaged.
[[nodiscard]] Result<ModuleData> find_module_data(const process::ElfImage& image, process::RemoteMemory& memory,
                                                  std::uint64_t bias, const Layout& layout);

}  // namespace gotrace::goruntime
