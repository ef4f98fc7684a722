/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/*
 * Examples to learn from. One example is `inputs` bytes (the codes of the characters before, or the
 * pixels of an image) and a label. Text and images both come out as this, so the model and the
 * training loop need not know which it is.
 */
#ifndef TRAIN_DATA_H
#define TRAIN_DATA_H

#include <stddef.h>
#include <stdint.h>

typedef enum data_split { DATA_TRAIN, DATA_HELDOUT } data_split;

typedef struct tr_data {
    size_t inputs;           /* bytes of one example's input */
    size_t classes;          /* labels are 0 .. classes - 1 */
    size_t alphabet;         /* text: distinct characters; 0 for images */
    size_t counts[2];        /* examples of each split */
    uint64_t digest;         /* of everything above and of the bytes below */
    uint8_t *bytes[2];       /* text: bytes[0] is the whole text in codes; images: the pixels */
    uint8_t *labels[2];      /* images only */
    size_t block, per_block; /* text: characters and examples of one block */
} tr_data;

/* Read a text: the file `path`, or with NULL all regular files of /usr/share/common-licenses. The
 * label of an example is the character that follows its `context` characters. One block of the
 * text in ten is held out; no example reaches across a block's edge, so no held-out character is
 * ever seen in training. Returns 0, or an exit code after saying on stderr what is wrong. */
int data_open_text(tr_data *out, const char *path, size_t context);

/* Read a directory in the MNIST format: train-images-idx3-ubyte, train-labels-idx1-ubyte and the
 * same with t10k-, each plain or with .gz. The t10k set is what is held out. Returns as above. */
int data_open_images(tr_data *out, const char *directory);

void data_close(tr_data *data);

/* The input of an example, `inputs` bytes, and its label. */
const uint8_t *data_example(const tr_data *data, data_split split, size_t index, uint8_t *label);

#endif
