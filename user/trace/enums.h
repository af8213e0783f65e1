// Which numbers are values of an enum of record.h. Only these ever become an enum: a number out of a file is checked
// here first.
#pragma once

#include <cstdint>
#include <optional>
#include <type_traits>

#include "records/record.h"

namespace gotrace::trace {

template <typename T>
concept Id = std::is_same_v<T, LocationId> || std::is_same_v<T, StackId>;  // any 32-bit number
template <typename T>
concept Enum = std::is_enum_v<T> && !Id<T>;

// The largest value of each enum whose values have no holes.
template <typename E>
constexpr E kLast = E{};
template <>
inline constexpr EndReason kLast<EndReason> = EndReason::target_exited;
template <>
inline constexpr SourceStatus kLast<SourceStatus> = SourceStatus::failed;
template <>
inline constexpr ProbeStatus kLast<ProbeStatus> = ProbeStatus::failed;
template <>
inline constexpr LimitKind kLast<LimitKind> = LimitKind::rlimit;
template <>
inline constexpr ResourceKind kLast<ResourceKind> = ResourceKind::finalizer_cycles;
template <>
inline constexpr RetentionKind kLast<RetentionKind> = RetentionKind::stack;
template <>
inline constexpr RetainerKind kLast<RetainerKind> = RetainerKind::runtime;
template <>
inline constexpr WaitKind kLast<WaitKind> = WaitKind::condition;
template <>
inline constexpr WaitDirection kLast<WaitDirection> = WaitDirection::receive;

template <Enum E>
[[nodiscard]] std::optional<E> to_enum(std::uint64_t number) {
  static_assert(kLast<E> != E{}, "this enum needs its kLast above");
  if (number > static_cast<std::uint64_t>(kLast<E>)) return std::nullopt;
  return static_cast<E>(number);
}

template <>
[[nodiscard]] inline std::optional<GoStatus> to_enum<GoStatus>(std::uint64_t number) {
  constexpr std::uint64_t known = 0b1111'0101'1111;  // one bit a value of GoStatus: 5 and 7 are not used
  if (number >= 64 || (known >> number & 1) == 0) return std::nullopt;
  return static_cast<GoStatus>(number);
}

}  // namespace gotrace::trace
