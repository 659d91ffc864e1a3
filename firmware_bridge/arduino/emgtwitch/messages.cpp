#include "messages.h"

void write_info(Packet &packet, uint8_t flags, uint32_t boot_id, uint8_t part, uint8_t parts) {
  packet.begin(kInfo);
  packet.u8(1);  // EMGT/1
  packet.u8(flags);
  packet.u32(boot_id);
  packet.u8(part);
  packet.u8(parts);
}

uint8_t *write_data(Packet &packet, uint8_t session, uint32_t scan, uint8_t n, uint8_t flags) {
  packet.begin(kData);
  packet.u8(session);
  packet.u32(scan);
  packet.u8(n);
  packet.u8(flags);
  return packet.u8(0);
}

void write_event(Packet &packet, uint8_t session, Moment moment, uint8_t source, uint16_t code) {
  packet.begin(kEvent);
  packet.u8(session);
  packet.u32(moment.scan);
  packet.u16(moment.sub);
  packet.u8(source);
  packet.u16(code);
}

void write_status(Packet &packet, const Status &status) {
  packet.begin(kStatus);
  packet.u8(status.session);
  packet.u32(status.uptime_ms);
  packet.u32(status.due);
  packet.u32(status.lost);
  packet.u16(status.tx_overruns);
  packet.u16(status.rx_errors);
  packet.u16(status.rx_overruns);
  packet.u16(status.vcc_mv);
  packet.u8(status.reset_cause);
  packet.u8(status.flags);
}

void write_ack(Packet &packet, uint8_t sequence, uint8_t command, uint8_t answer) {
  packet.begin(kAck);
  packet.u8(sequence);
  packet.u8(command);
  packet.u8(answer);
}

void write_started(Packet &packet, uint8_t sequence, Rate rate, uint8_t n_channels, uint8_t n) {
  write_ack(packet, sequence, kStart, kOk);
  packet.u32(rate.num);
  packet.u32(rate.den);
  packet.u8(n_channels);
  packet.u8(n);
}

void write_pong(Packet &packet, uint32_t token, uint8_t session, Moment moment,
                uint32_t uptime_us) {
  packet.begin(kPong);
  packet.u32(token);
  packet.u8(session);
  packet.u32(moment.scan);
  packet.u16(moment.sub);
  packet.u32(uptime_us);
}

void write_log(Packet &packet) { packet.begin(kLog); }

namespace {

// Length of the body of a command, 0 for an unknown one.
uint8_t length_of(uint8_t type) {
  switch (type) {
    case kIdent: return 2;
    case kStart: return 7;
    case kStop: return 2;
    case kPing: return 6;
    case kMark: return 4;
    case kSet: return 7;
    case kTest: return 3;
    case kReset: return 2;
    default: return 0;
  }
}

}  // namespace

bool read_command(const uint8_t *body, uint8_t n, Command *command) {
  // What a board sends is never answered, or two boards would answer each other for ever.
  if (n < 2 || body[0] < kIdent) return false;
  command->type = body[0];
  command->sequence = body[1];
  command->arguments = body + 2;
  uint8_t length = length_of(body[0]);
  command->answer = length == 0 ? kUnknownCommand : length == n ? kOk : kBadLength;
  return true;
}
