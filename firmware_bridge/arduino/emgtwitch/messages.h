// The messages of EMGT/1, byte by byte as ../../PROTOCOL.md has them. No Arduino in here.
#pragma once

#include <stdint.h>

#include "framing.h"

// Board to computer.
enum MessageType : uint8_t {
  kInfo = 0x01, kData, kEvent, kStatus, kAck, kPong, kLog
};
// Computer to board.
enum CommandType : uint8_t {
  kIdent = 0x40, kStart, kStop, kPing, kMark, kSet, kTest, kReset
};
enum Answer : uint8_t { kOk, kBadLength, kUnknownCommand, kBadArgument, kBusy };
// Flags: the first of INFO and STATUS, the others of DATA.
enum Flags : uint8_t { kStreaming = 0x01, kOverrun = 0x01, kRingFull = 0x02, kTestSignal = 0x80 };
enum Source : uint8_t { kFromHost, kFromButton };
enum Key : uint8_t { kSilenceKey = 1, kTextKey = 2 };

// A moment on the axis of scans; `sub` in 1/65536 of the scan period.
struct Moment {
  uint32_t scan;
  uint16_t sub;
};

struct Status {
  uint8_t session;
  uint32_t uptime_ms;
  uint32_t due;
  uint32_t lost;
  uint16_t tx_overruns;
  uint16_t rx_errors;
  uint16_t rx_overruns;
  uint16_t vcc_mv;
  uint8_t reset_cause;
  uint8_t flags;
};

// Exactly this many scans a second: num / den.
struct Rate {
  uint32_t num;
  uint32_t den;
};

// Each begins the packet and writes all of it but what follows of its own length: samples, text.
constexpr uint8_t kDataHead = 9;
constexpr uint8_t kInfoHead = 9;
void write_info(Packet &packet, uint8_t flags, uint32_t boot_id, uint8_t part, uint8_t parts);
// Returns the place of the clip bits, which are known when the samples are.
uint8_t *write_data(Packet &packet, uint8_t session, uint32_t scan, uint8_t n, uint8_t flags);
void write_event(Packet &packet, uint8_t session, Moment moment, uint8_t source, uint16_t code);
void write_status(Packet &packet, const Status &status);
void write_ack(Packet &packet, uint8_t sequence, uint8_t command, uint8_t answer);
void write_started(Packet &packet, uint8_t sequence, Rate rate, uint8_t n_channels, uint8_t n);
void write_pong(Packet &packet, uint32_t token, uint8_t session, Moment moment, uint32_t uptime_us);
void write_log(Packet &packet);

struct Command {
  uint8_t type;
  uint8_t sequence;
  Answer answer;  // kOk if the command is known and as long as it must be
  const uint8_t *arguments;

  uint16_t u16(uint8_t place) const {
    return arguments[place] | (uint16_t)arguments[place + 1] << 8;
  }
  uint32_t u32(uint8_t place) const { return u16(place) | (uint32_t)u16(place + 2) << 16; }
};

// False: not from a computer, or too short for an answer.
bool read_command(const uint8_t *body, uint8_t n, Command *command);
