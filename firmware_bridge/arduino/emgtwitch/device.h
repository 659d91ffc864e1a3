// The board as EMGT/1 describes it: commands in, scans and their account out.
#pragma once

void device_begin();
void device_run();  // again and again
