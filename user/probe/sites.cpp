#include "probe/sites.h"

#include <capstone/capstone.h>

#include <cstring>
#include <memory>
#include <optional>
#include <vector>

namespace gotrace::probe {
namespace {

constexpr int kFirstPushPrologue = 21;             // cmd/internal/obj/x86: frames begin with push %rbp (Go 1.21)
constexpr std::size_t kPrologueInstructions = 12;  // big frames check with up to eight (cmd/internal/obj/x86/obj6.go)
constexpr std::size_t kPrologueBytes = 64;

struct Handle {
  csh value = 0;
  bool open = cs_open(CS_ARCH_X86, CS_MODE_64, &value) == CS_ERR_OK;
  Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() {
    if (open) cs_close(&value);
  }
};

struct Decoded {
  std::uint64_t offset = 0;
  unsigned id = X86_INS_INVALID;
  bool pushes_frame_pointer = false;  // exactly the byte 55, the form that kernels emulate since 4.15
};

// The first instructions of `code`; ends early at bytes that are none.
std::vector<Decoded> decode_prologue(Bytes code) {
  std::vector<Decoded> result;
  const Handle handle;
  if (!handle.open) return result;
  const auto part = code.first(std::min(code.size(), kPrologueBytes));
  cs_insn* instructions = nullptr;
  const std::size_t count = cs_disasm(handle.value, reinterpret_cast<const std::uint8_t*>(part.data()), part.size(), 0,
                                      kPrologueInstructions, &instructions);
  for (std::size_t i = 0; i < count; ++i) {
    const bool push = instructions[i].size == 1 && instructions[i].bytes[0] == 0x55;
    result.push_back({instructions[i].address, instructions[i].id, push});
  }
  if (count > 0) cs_free(instructions, count);
  return result;
}

bool is_check_branch(const Decoded& instruction) { return instruction.id == X86_INS_JBE; }

// Instructions a stack check may be made of, before its last branch.
bool may_precede_check(const Decoded& instruction) {
  switch (instruction.id) {
    case X86_INS_CMP:
    case X86_INS_LEA:
    case X86_INS_MOV:
    case X86_INS_MOVABS:
    case X86_INS_SUB:
    case X86_INS_JB:
    case X86_INS_JE:
      return true;
    default:
      return false;
  }
}

// The target of `call rel32` (e8), the form of all of Go's direct calls.
std::optional<std::uint64_t> called(const cs_insn& instruction) {
  if (instruction.size != 5 || instruction.bytes[0] != 0xe8) return std::nullopt;
  std::int32_t distance = 0;
  std::memcpy(&distance, instruction.bytes + 1, sizeof(distance));
  return instruction.address + instruction.size + static_cast<std::uint64_t>(std::int64_t{distance});
}

}  // namespace

std::vector<std::uint64_t> behind_calls(Bytes code, std::uint64_t address, std::uint64_t callee) {
  const Handle handle;
  if (!handle.open) return {};
  const std::unique_ptr<cs_insn, void (*)(cs_insn*)> instruction(cs_malloc(handle.value),
                                                                 [](cs_insn* one) { cs_free(one, 1); });
  std::vector<std::uint64_t> offsets;
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(code.data());
  std::size_t left = code.size();
  std::uint64_t at = address;
  while (left > 0) {
    if (!cs_disasm_iter(handle.value, &bytes, &left, &at, instruction.get())) return {};
    if (called(*instruction) == callee && left > 0) offsets.push_back(at - address);
  }
  return offsets;
}

Result<Site> choose_site(Bytes code, int go_minor) {
  if (go_minor < kFirstProbedMinor) return failure("this version of Go passes arguments on the stack");
  const auto instructions = decode_prologue(code);
  if (instructions.empty()) return failure("its first bytes are no machine code");
  if (instructions.front().pushes_frame_pointer) return Site{0, SiteKind::push_frame};
  if (instructions.front().id != X86_INS_CMP && instructions.front().id != X86_INS_LEA) {
    return Site{0, SiteKind::stepped};  // nosplit: no check, so the entry is not run twice
  }
  for (std::size_t i = 0; i < instructions.size(); ++i) {
    if (!is_check_branch(instructions[i])) {
      if (!may_precede_check(instructions[i])) break;
      continue;
    }
    if (go_minor < kFirstPushPrologue) return Site{instructions[i].offset, SiteKind::stack_check_branch};
    if (i + 1 < instructions.size() && instructions[i + 1].pushes_frame_pointer) {
      return Site{instructions[i + 1].offset, SiteKind::push_frame};
    }
    return Site{instructions[i].offset, SiteKind::stack_check_branch};
  }
  return failure("its first instructions are no Go function prologue that is known");
}

}  // namespace gotrace::probe
