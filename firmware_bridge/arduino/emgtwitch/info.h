// What the board tells of itself, as text for INFO packets.
#pragma once

#include <stdint.h>

#include "framing.h"
#include "messages.h"

constexpr uint8_t kInfoPart = 83;  // characters in a part: with it a packet is 96 bytes

struct Info {
  Rate rate;                // the usual one, exact
  uint8_t scans_per_frame;  // at it
  uint16_t vcc_mv;
};

uint8_t info_parts(const Info &info);
// Appends the characters of one part to a packet.
void info_text(Packet &packet, uint8_t part, const Info &info);
