// Any bytes as an executable, through everything that opening a program does with the file: ELF, build info, module
// data, function table, globals.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "goruntime/build_info.h"
#include "goruntime/globals.h"
#include "goruntime/module_data.h"
#include "goruntime/pclntab.h"
#include "process/elf_image.h"

namespace {

using namespace gotrace;

// The process: what the file says, at the same addresses.
class ImageMemory final : public process::RemoteMemory {
 public:
  explicit ImageMemory(const process::ElfImage& image) : image_(image) {}
  bool read(process::Address address, std::span<std::byte> into) override {
    const auto part = image_.at(address, into.size());
    if (part) std::ranges::copy(*part, into.begin());
    return part.has_value();
  }

 private:
  const process::ElfImage& image_;
};

void open_program(const process::ElfImage& image) {
  ImageMemory memory(image);
  const auto info = goruntime::read_build_info(image, memory, 0);
  bool exact = false;
  const goruntime::Layout& layout = goruntime::layout_for(info ? info->minor : 27, exact);
  const auto module = goruntime::find_module_data(image, memory, 0, layout);
  if (!module) return;
  goruntime::PclnSource source;
  source.image = [&image](std::uint64_t address, std::uint64_t size) { return image.at(address, size); };
  source.table = image.at(module->table_address, module->table_size).value_or(Bytes{});
  source.text = module->text;
  source.go_func = module->go_func;
  const auto table = goruntime::PclnTable::open(std::move(source));
  if (!table) return;
  const auto code = [&image](const goruntime::FunctionRange& function) {
    return image.at(function.entry, function.end - function.entry);
  };
  const auto bytes = [&image](std::uint64_t address, std::uint64_t size) { return image.at(address, size); };
  (void)goruntime::find_globals(**table, code, bytes, *module, layout);
  (void)(*table)->frames(module->text);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto image = process::ElfImage::over(std::as_bytes(std::span(data, size)));
  if (image) open_program(*image);
  return 0;
}
