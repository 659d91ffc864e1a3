// emgtwitch: samples EMG sensors at an exact rate and sends every scan with its number.
// What you may want to change is in config.h. What goes over the wire: ../../PROTOCOL.md

#include "device.h"

void setup() { device_begin(); }

void loop() { device_run(); }
