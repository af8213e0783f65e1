// Names of package variables from the ELF symbol table of a program that was not stripped.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "goruntime/program.h"
#include "process/elf_image.h"

namespace gotrace::goruntime {

// "main.cache", "main.server+0x18"; empty: there is no symbol table, or nothing in it covers `address` (link-time).
// Reads the whole table each time: for the few variables that a report names.
[[nodiscard]] std::string symbol_at(const process::ElfImage& image, std::uint64_t address);

// Where the package variables lie that the symbol table names, link-time; empty: there is none.
[[nodiscard]] std::vector<DataRange> variables_of(const process::ElfImage& image);

}  // namespace gotrace::goruntime
