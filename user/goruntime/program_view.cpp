#include "goruntime/program_view.h"

namespace gotrace::goruntime {
namespace {

class ProgramView final : public Program {
 public:
  ProgramView(const Program& program, const process::Target& target) : program_(program), target_(target) {}

  [[nodiscard]] const BuildInfo& build_info() const override { return program_.build_info(); }
  [[nodiscard]] const FunctionTable& functions() const override { return program_.functions(); }
  [[nodiscard]] std::uint64_t load_bias() const override { return program_.load_bias(); }
  [[nodiscard]] const Layout& layout() const override { return program_.layout(); }
  [[nodiscard]] bool layout_exact() const override { return program_.layout_exact(); }
  [[nodiscard]] std::optional<process::Address> global(std::string_view name) const override {
    return program_.global(name);
  }
  [[nodiscard]] std::string why_missing(std::string_view name) const override { return program_.why_missing(name); }
  [[nodiscard]] const std::vector<std::string>& wait_reasons() const override { return program_.wait_reasons(); }
  [[nodiscard]] std::vector<DataRange> data_ranges() const override { return program_.data_ranges(); }
  [[nodiscard]] std::optional<Bytes> code(const FunctionRange& function) const override {
    return program_.code(function);
  }
  [[nodiscard]] std::optional<std::uint64_t> file_offset(std::uint64_t address) const override {
    return program_.file_offset(address);
  }
  [[nodiscard]] std::string variable_name(std::uint64_t address) const override {
    return program_.variable_name(address);
  }
  [[nodiscard]] std::vector<DataRange> variable_ranges() const override { return program_.variable_ranges(); }
  [[nodiscard]] const process::Target& target() const override { return target_; }
  [[nodiscard]] TargetInfo target_info() const override { return program_.target_info(); }

 private:
  const Program& program_;
  const process::Target& target_;
};

}  // namespace

std::unique_ptr<Program> view_of(const Program& program, const process::Target& target) {
  return std::make_unique<ProgramView>(program, target);
}

}  // namespace gotrace::goruntime
