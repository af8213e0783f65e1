// The build information that Go's linker puts into every program: cmd/link/internal/ld/data.go (buildinfo),
// debug/buildinfo/buildinfo.go. Two forms: strings in place since Go 1.18, pointers to string headers before.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "goruntime/program.h"
#include "process/elf_image.h"
#include "process/memory.h"

namespace gotrace::goruntime {

// nullopt: there is none, so it is no Go program. `memory` and `bias` (run-time less link-time address) resolve the
// pointers of the old form. Fills all of BuildInfo except `cgo`, which only the functions tell.
[[nodiscard]] std::optional<BuildInfo> read_build_info(const process::ElfImage& image, process::RemoteMemory& memory,
                                                       std::uint64_t bias);

// The lines of runtime/debug.BuildInfo.String ("path\t...", "mod\t...", "build\tkey=value"), into `info`.
void parse_module_info(std::string_view text, BuildInfo& info);

// "go1.24.4 X:rangefunc" is version go1.24.4, minor 24, experiment rangefunc. minor 0: not of that form ("devel ...").
void parse_go_version(std::string_view text, BuildInfo& info);

}  // namespace gotrace::goruntime
