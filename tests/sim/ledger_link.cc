#include "tests/sim/ledger_link.h"

#include <fmt/core.h>

#include <algorithm>

namespace pj::sim {

using ledger::Reply;

Reply LedgerLink::Carry(const Sender& sender, const ledger::Call& call) {
  Reply reply = store_.Do(call).value();
  options_.time->Trace(fmt::format("{} {} {} {} -> {}", sender.seal ? "seal" : sender.holder,
                                   sender.incarnation, static_cast<int>(call.op), call.name,
                                   static_cast<int>(reply.outcome)));
  using Op = ledger::Call::Op;
  if (reply.outcome != Reply::Outcome::kOk || call.op == Op::kGet || call.op == Op::kGetLease) {
    return reply;
  }
  if (!options_.counts()) return reply;
  options_.checker->OnSign(sender, options_.time->Now());
  if (call.op == Op::kCreate || call.op == Op::kPut) {
    options_.checker->OnWrite(sender, call.record);
  }
  return reply;
}

void LedgerLink::Deliver(const Sender& sender, const ledger::Call& call, Answer answer) {
  ++requests_;
  Timeline& time = *options_.time;
  const bool faulty = options_.chaos() && time.Chance(options_.fault);
  uint64_t kind = faulty ? time.Pick(4) : 3;
  const Nanos slowest = faulty && kind == 3 ? Millis(150) : Millis(2);
  Nanos there = Nanos(1000) + time.Below(slowest);
  if (const auto held = held_.find(sender.incarnation); held != held_.end()) {
    there += std::max(Nanos(0), held->second - time.Now());
  }
  const Nanos back = Nanos(1000) + time.Below(slowest);
  if (cut_.contains(sender.incarnation)) kind = 0;
  Reply lost;
  lost.id = call.id;
  lost.outcome = Reply::Outcome::kUnknown;
  if (kind == 0) {  // never arrives
    time.After(there + back, [answer, lost] { answer(lost); });
  } else if (kind == 1) {  // arrives, the answer does not
    time.After(there, [this, sender, call] { Carry(sender, call); });
    time.After(there + back, [answer, lost] { answer(lost); });
  } else if (kind == 2) {  // given up, and arrives long after
    time.After(there + back, [answer, lost] { answer(lost); });
    time.After(there + back + time.Below(Millis(300)),
               [this, sender, call] { Carry(sender, call); });
  } else {
    time.After(there, [this, sender, call, back, answer = std::move(answer)] {
      const Reply reply = Carry(sender, call);
      options_.time->After(back, [answer, reply] { answer(reply); });
    });
  }
}

}  // namespace pj::sim
