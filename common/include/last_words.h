/* last_words.h: output that works before, and without, the serial driver of lab 1. */
#ifndef LAST_WORDS_H
#define LAST_WORDS_H

/* Write text to the first serial port as it is set up now, with no driver. Never waits for ever. */
void last_words(const char *text);

#endif
