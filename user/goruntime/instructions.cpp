#include "goruntime/instructions.h"

#include <capstone/capstone.h>

#include <algorithm>
#include <memory>
#include <span>

namespace gotrace::goruntime {
namespace {

constexpr std::size_t kMostCode = 64 << 10;

class Decoder {
 public:
  Decoder() {
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &handle_) != CS_ERR_OK) return;
    cs_option(handle_, CS_OPT_DETAIL, CS_OPT_ON);
    instruction_.reset(cs_malloc(handle_));
  }
  ~Decoder() {
    instruction_.reset();
    if (handle_ != 0) cs_close(&handle_);
  }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  // The next instruction of `code`, which is shortened by it; null at the end.
  const cs_insn* next(const std::uint8_t** code, std::size_t* size, std::uint64_t* address) {
    if (!instruction_ || !cs_disasm_iter(handle_, code, size, address, instruction_.get())) return nullptr;
    return instruction_.get();
  }

 private:
  struct Free {
    void operator()(cs_insn* instruction) const { cs_free(instruction, 1); }
  };
  csh handle_ = 0;
  std::unique_ptr<cs_insn, Free> instruction_;
};

using Kind = Instruction::Kind;

Kind kind_of(unsigned id, std::span<const cs_x86_op> operands) {
  if (operands.empty()) return Kind::other;
  const bool to_memory = operands[0].type == X86_OP_MEM;
  const bool from_memory = operands.size() > 1 && operands[1].type == X86_OP_MEM;
  switch (id) {
    case X86_INS_MOV:
      return to_memory ? Kind::store : from_memory ? Kind::load : Kind::other;
    case X86_INS_LEA:
      return Kind::address;
    case X86_INS_CMP:
      if (to_memory || from_memory) return Kind::compare;
      return operands.size() > 1 && operands[1].type == X86_OP_IMM ? Kind::compare_immediate : Kind::other;
    case X86_INS_INC:
      return to_memory ? Kind::increment : Kind::other;
    case X86_INS_XADD:
      return to_memory ? Kind::exchange_add : Kind::other;
    default:
      return Kind::other;
  }
}

Instruction describe(const cs_insn& raw) {
  const auto& x86 = raw.detail->x86;
  const std::span operands(x86.operands, x86.op_count);
  Instruction result;
  result.kind = kind_of(raw.id, operands);
  if (!operands.empty()) result.bits = static_cast<std::uint8_t>(operands[0].size * 8);
  if (result.kind == Kind::address) result.result_register = static_cast<std::uint32_t>(operands[0].reg);
  if (result.kind == Kind::compare_immediate) result.immediate = operands[1].imm;
  const auto memory = std::ranges::find(operands, X86_OP_MEM, &cs_x86_op::type);
  if (memory == operands.end()) return result;
  if (memory->mem.base == X86_REG_RIP) {
    result.target = raw.address + raw.size + static_cast<std::uint64_t>(memory->mem.disp);
  } else if (memory->mem.disp == 0 && memory->mem.index == X86_REG_INVALID) {
    result.base_register = static_cast<std::uint32_t>(memory->mem.base);
  }
  return result;
}

}  // namespace

std::vector<Instruction> decode(Bytes code, std::uint64_t address) {
  std::vector<Instruction> instructions;
  Decoder decoder;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(code.data());
  std::size_t size = std::min(code.size(), kMostCode);
  while (size > 0) {
    const cs_insn* raw = decoder.next(&bytes, &size, &address);
    if (raw == nullptr) break;
    instructions.push_back(describe(*raw));
  }
  return instructions;
}

}  // namespace gotrace::goruntime
