// The control record's bytes: "PJC", version, fields, CRC32C.
#include "base/byte_io.h"
#include "base/limits.h"
#include "ledger/envelope.h"
#include "ledger/record.h"

namespace pj::ledger {
namespace {

constexpr std::string_view kMagic = "PJC";
constexpr uint8_t kVersion = 1;
constexpr size_t kMaxShards = 4096;

void PutList(const std::vector<uint64_t>& list, ByteWriter* out) {
  out->Varint(list.size());
  for (const uint64_t lo : list) out->Varint(lo);
}

bool GetList(ByteReader* in, std::vector<uint64_t>* list) {
  const uint64_t count = in->Varint();
  if (count > kMaxShards) return false;
  for (uint64_t i = 0; i < count && in->ok(); ++i) list->push_back(in->Varint());
  return in->ok();
}

}  // namespace

std::string EncodeControl(const Control& control) {
  ByteWriter out;
  out.U8(static_cast<uint8_t>(control.mode));
  out.Bytes(control.reason);
  out.U64(static_cast<uint64_t>(control.tick.count()));
  PutList(control.hints, &out);
  PutList(control.retract, &out);
  return Seal(kMagic, kVersion, out.str());
}

Result<Control> DecodeControl(std::string_view bytes) {
  PJ_ASSIGN(const std::string_view payload, Unseal(bytes, {.magic = kMagic,
                                                           .version = kVersion,
                                                           .max_bytes = limits::kConfigMapBytes,
                                                           .what = "control record"}));
  ByteReader in(payload);
  Control control;
  const uint8_t mode = in.U8();
  control.reason = in.Bytes();
  control.tick = Nanos(static_cast<int64_t>(in.U64()));
  const bool lists = GetList(&in, &control.hints) && GetList(&in, &control.retract);
  if (!lists || !in.ok() || !in.AtEnd() || mode > static_cast<uint8_t>(Control::Mode::kAbort) ||
      control.tick <= Nanos(0)) {
    return Fail(Code::kCorrupt, "LedgerCorrupt: a control record has an impossible structure");
  }
  control.mode = static_cast<Control::Mode>(mode);
  return control;
}

}  // namespace pj::ledger
