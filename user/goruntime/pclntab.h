// The reader of Go's function table (pclntab). Formats: runtime/symtab.go and cmd/link/internal/ld/pcln.go of each
// release.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/byte_reader.h"
#include "base/result.h"
#include "goruntime/function_table.h"

namespace gotrace::goruntime {

enum class PclnFormat : std::uint8_t { go12, go116, go118, go120 };  // the first release that wrote it

struct PclnHeader {
  PclnFormat format = PclnFormat::go12;
  std::uint64_t functions = 0;
  // From the header; since Go 1.16. (Before: all offsets in the table count from its start.)
  std::uint64_t names = 0, units = 0, files = 0, pc_tables = 0, function_data = 0;
};

// nullopt when no valid header is at the start of `table`.
[[nodiscard]] std::optional<PclnHeader> parse_pcln_header(Bytes table);

// How many bytes of a table are looked at before parse_pcln_header can say yes.
constexpr std::size_t kPclnHeaderSize = 72;

// Bytes of the executable at a link-time address; nullopt: not backed by the file.
using ImageReader = std::function<std::optional<Bytes>(std::uint64_t address, std::uint64_t size)>;

struct PclnSource {
  Bytes table;                     // begins with the header; must outlive the reader unless it is `owned`
  std::vector<std::byte> owned;    // a copy from the process; if not empty, it is what is read
  std::uint64_t text = 0;          // link-time, moduledata.text: what function entries count from since Go 1.18
  std::uint64_t pointer_bias = 0;  // to be taken off pointers in the table (Go < 1.18 in a relocated copy)
  std::uint64_t go_func = 0;       // link-time, moduledata.gofunc: what inline trees count from since Go 1.18
  std::uint8_t wrapper_id = 0xff;  // funcID of wrapper functions; 0xff: unknown, none is hidden
  ImageReader image;               // for inline trees; may be empty: inlined calls are not expanded then
};

// funcID of functions that Go's own traces hide, by Go's minor version; 0xff: not known.
[[nodiscard]] std::uint8_t wrapper_function_id(int minor);

class PclnTable final : public FunctionTable {
 public:
  // Error (failed) names the damage; the text begins with "its function table (pclntab) is damaged: ".
  [[nodiscard]] static Result<std::unique_ptr<PclnTable>> open(PclnSource source);

  [[nodiscard]] std::size_t size() const override { return count_; }
  [[nodiscard]] std::optional<FunctionRange> find(std::string_view name) const override;
  [[nodiscard]] std::vector<FunctionRange> find_prefix(std::string_view prefix) const override;
  [[nodiscard]] std::optional<FunctionRange> containing(std::uint64_t pc) const override;
  [[nodiscard]] std::vector<Frame> frames(std::uint64_t pc) const override;
  [[nodiscard]] std::optional<std::int32_t> stack_delta(std::uint64_t pc) const override;
  [[nodiscard]] std::optional<FrameMaps> frame_maps(std::uint64_t pc) const override;
  [[nodiscard]] std::uint32_t argument_bytes(std::uint64_t pc) const override;

 private:
  struct Shape;  // offsets within _func and inlinedCall
  struct Inlined {
    std::string_view name;
    std::uint8_t function_id = 0;
    std::int32_t parent_pc = 0;  // of the call, from the function's entry
  };

  explicit PclnTable(PclnSource source) : source_(std::move(source)) {}
  [[nodiscard]] static const Shape& shape_of(PclnFormat format);
  [[nodiscard]] Status place_tables(const PclnHeader& header);
  [[nodiscard]] Status check_order() const;
  [[nodiscard]] std::uint64_t entry(std::size_t index) const;  // index <= count_
  [[nodiscard]] Bytes function(std::size_t index) const;       // its _func and what follows; empty when damaged
  [[nodiscard]] std::string_view name_at(std::uint64_t offset) const;
  [[nodiscard]] FunctionRange range(std::size_t index) const;
  [[nodiscard]] std::optional<std::size_t> index_of(std::uint64_t pc) const;
  void build_index() const;

  [[nodiscard]] std::optional<std::int32_t> pc_value(std::uint32_t table, const FunctionRange& function,
                                                     std::uint64_t pc) const;
  [[nodiscard]] std::optional<std::int32_t> pc_data(Bytes function, std::uint32_t which, const FunctionRange& range,
                                                    std::uint64_t pc) const;
  // The link-time address of the function's data of that kind; 0: none.
  [[nodiscard]] std::uint64_t function_data(Bytes function, std::uint8_t which) const;
  [[nodiscard]] std::optional<std::vector<bool>> stack_map(Bytes function, std::uint8_t which,
                                                           std::int32_t index) const;
  [[nodiscard]] std::optional<Inlined> inlined_call(std::uint64_t tree, std::int32_t index) const;
  [[nodiscard]] std::string_view file_name(Bytes function, std::int32_t number) const;

  PclnSource source_;
  const Shape* shape_ = nullptr;
  Bytes names_, units_, files_, pc_tables_, function_data_, entries_;
  std::size_t count_ = 0;
  mutable std::once_flag indexed_;
  mutable std::vector<std::pair<std::uint32_t, std::uint32_t>> index_;  // hash of the name, function; sorted
};

}  // namespace gotrace::goruntime
