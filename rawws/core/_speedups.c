/* What takes most of the time of a busy connection, once more, in C.

   Each of these is a pure function of bytes, and the twin of a function in Python that has its name: read that one, in
   masking.py, frames.py or messages.py.  Here is no state, and nothing that the other does not do to the byte.

   They keep the GIL.  Most messages are done in less time than it takes to let go of it and to get it back, one of a
   MiB in 0.1 ms; and so nobody changes a bytearray that is being read.  In a build without a GIL somebody can, and then
   what is read is some mixture of before and after, but nothing out of bounds: what is lent cannot shrink, and a length
   is held against what is there after it was read, once.  The API is the limited one of 3.11 where there is a GIL: what
   was compiled once serves all later versions.
*/

#include <Python.h>
#include <stdint.h>
#include <string.h>

/* Whether a function was given as many arguments as it has; else there is a TypeError. */
static int
are_given(const char *name, Py_ssize_t count, Py_ssize_t wanted)
{
    if (count != wanted)
        PyErr_Format(PyExc_TypeError, "%s takes %zd arguments, not %zd", name, wanted, count);
    return count == wanted;
}

/* --- masking.py --------------------------------------------------------------------------------------------------- */

/* XOR `size` bytes with the 4 of `key`, eight at a time; out of these, the compiler makes steps of 16 or more.  memcpy
   costs nothing: it is how C says that a word may lie at any address, and that its bytes stay in their order. */
static void
mask_into(uint8_t *restrict out, const uint8_t *restrict in, Py_ssize_t size, const uint8_t *key)
{
    uint64_t word, mask;
    Py_ssize_t at = 0;

    memcpy(&mask, key, 4);
    memcpy((uint8_t *)&mask + 4, key, 4);
    for (; at <= size - 8; at += 8) {
        memcpy(&word, in + at, 8);
        word ^= mask;
        memcpy(out + at, &word, 8);
    }
    for (; at < size; at++)
        out[at] = in[at] ^ key[at & 3];
}

/* The bytes as a new object, masked, or as they are if `key` is NULL; NULL and an exception if there is no memory. */
static PyObject *
new_bytes(const uint8_t *in, Py_ssize_t size, const uint8_t *key)
{
    PyObject *out = PyBytes_FromStringAndSize(key ? NULL : (const char *)in, size);

    if (out != NULL && key != NULL)
        mask_into((uint8_t *)PyBytes_AsString(out), in, size, key);
    return out;
}

/* The 4 bytes of a key; NULL and an exception if it is none. */
static const uint8_t *
read_key(PyObject *key)
{
    char *bytes;
    Py_ssize_t size;

    if (PyBytes_AsStringAndSize(key, &bytes, &size) < 0)
        return NULL;
    if (size == 4)
        return (const uint8_t *)bytes;
    PyErr_Format(PyExc_ValueError, "a key of %zd bytes, not 4", size);
    return NULL;
}

static PyObject *
apply_mask(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Py_buffer data;
    const uint8_t *key;
    PyObject *out;

    if (!are_given("apply_mask", count, 2) || (key = read_key(args[1])) == NULL)
        return NULL;
    if (PyObject_GetBuffer(args[0], &data, PyBUF_SIMPLE) < 0)
        return NULL;
    out = new_bytes(data.buf, data.len, key);
    PyBuffer_Release(&data);
    return out;
}

/* --- frames.py ---------------------------------------------------------------------------------------------------- */

/* How long the frame of so long a payload is; `key` is NULL if it is not masked. */
static Py_ssize_t
frame_size(Py_ssize_t length, const uint8_t *key)
{
    return (length < 126 ? 2 : length < 0x10000 ? 4 : 10) + (key ? 4 : 0) + length;
}

/* Write a frame, with the length in its shortest form; gives back the place behind it. */
static uint8_t *
write_frame(uint8_t *out, uint8_t first, const uint8_t *payload, Py_ssize_t length, const uint8_t *key)
{
    int more = length < 126 ? 0 : length < 0x10000 ? 2 : 8;
    uint64_t rest = (uint64_t)length;

    out[0] = first;
    out[1] = (key ? 0x80 : 0) | (more == 0 ? (uint8_t)length : more == 2 ? 126 : 127);
    for (int at = more + 1; at > 1; at--, rest >>= 8)
        out[at] = (uint8_t)rest;
    out += 2 + more;
    if (key) {
        memcpy(out, key, 4);
        mask_into(out += 4, payload, length, key);
    }
    else if (length)
        memcpy(out, payload, (size_t)length);
    return out + length;
}

static PyObject *
encode_whole(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    const uint8_t *key = NULL;
    Py_buffer payload;
    PyObject *frame;
    Py_ssize_t first;

    if (!are_given("encode_whole", count, 3) || (args[2] != Py_None && (key = read_key(args[2])) == NULL))
        return NULL;
    if ((first = PyNumber_AsSsize_t(args[0], NULL)) == -1 && PyErr_Occurred())
        return NULL;
    if (first < 0 || first > 0xff)
        return PyErr_Format(PyExc_ValueError, "bytes must be in range(0, 256)");
    if (PyObject_GetBuffer(args[1], &payload, PyBUF_SIMPLE) < 0)
        return NULL;
    if ((frame = PyBytes_FromStringAndSize(NULL, frame_size(payload.len, key))) != NULL)
        write_frame((uint8_t *)PyBytes_AsString(frame), (uint8_t)first, payload.buf, payload.len, key);
    PyBuffer_Release(&payload);
    return frame;
}

/* The bytes of a message; NULL and an exception if it is neither text nor bytes, or text that UTF-8 cannot say. */
static const uint8_t *
look_into(PyObject *message, Py_ssize_t *length)
{
    char *bytes;

    if (PyUnicode_Check(message))
        return (const uint8_t *)PyUnicode_AsUTF8AndSize(message, length);
    return PyBytes_AsStringAndSize(message, &bytes, length) < 0 ? NULL : (const uint8_t *)bytes;
}

/* First how long all the frames are together, then the frames.  The messages are a tuple, which nobody changes between
   the two looks. */
static PyObject *
write_all(PyObject *messages, const uint8_t *keys)
{
    Py_ssize_t size = 0, count = PyTuple_Size(messages), length;

    for (Py_ssize_t at = 0; at < count; at++) {
        if (look_into(PyTuple_GetItem(messages, at), &length) == NULL)
            return NULL;
        if (frame_size(length, keys) > PY_SSIZE_T_MAX - size)
            return PyErr_NoMemory();
        size += frame_size(length, keys);
    }
    PyObject *frames = PyBytes_FromStringAndSize(NULL, size);
    uint8_t *out = frames == NULL ? NULL : (uint8_t *)PyBytes_AsString(frames);
    for (Py_ssize_t at = 0; out != NULL && at < count; at++) {
        PyObject *message = PyTuple_GetItem(messages, at);
        const uint8_t *payload = look_into(message, &length);
        out = write_frame(out, PyUnicode_Check(message) ? 0x81 : 0x82, payload, length, keys ? keys + 4 * at : NULL);
    }
    return frames;
}

static PyObject *
encode_run(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Py_buffer keys = {0};
    PyObject *messages, *frames = NULL;

    if (!are_given("encode_run", count, 2))
        return NULL;
    if (args[1] != Py_None && PyObject_GetBuffer(args[1], &keys, PyBUF_SIMPLE) < 0)
        return NULL;
    if ((messages = PySequence_Tuple(args[0])) != NULL) {
        if (args[1] != Py_None && keys.len != 4 * PyTuple_Size(messages))
            PyErr_Format(PyExc_ValueError, "%zd bytes of keys for %zd messages", keys.len, PyTuple_Size(messages));
        else
            frames = write_all(messages, keys.buf);
        Py_DECREF(messages);
    }
    PyBuffer_Release(&keys);
    return frames;
}

/* --- messages.py -------------------------------------------------------------------------------------------------- */

typedef struct {
    Py_buffer data;   /* what came, */
    Py_ssize_t start; /* looked at from here on, */
    int masked;       /* from a client or not; */
    Py_ssize_t limit; /* the longest message that is taken. */
} Received;

typedef struct {
    int text;
    const uint8_t *key; /* NULL if it is not masked. */
    const uint8_t *payload;
    Py_ssize_t length;
    Py_ssize_t stop; /* where the next frame begins. */
} Plain;

/* Whether a message that is one frame begins at `start`, and where it lies; see `take_plain` in Python for which.
   `bits` are those beside the opcode: FIN, and RSV1 if it is to be compressed. */
static int
find_whole(const Received *in, int bits, Plain *found)
{
    Py_ssize_t rest = in->data.len - in->start, size = in->masked ? 6 : 2;
    const uint8_t *head;
    uint64_t length;

    if (rest < size)
        return 0;
    head = (const uint8_t *)in->data.buf + in->start;
    if ((head[0] != (bits | 1) && head[0] != (bits | 2)) || (head[1] >= 0x80) != in->masked)
        return 0;
    length = head[1] & 0x7f;
    if (length >= 126) {
        int more = length == 126 ? 2 : 8;
        if (rest < (size += more))
            return 0;
        length = 0;
        for (int at = 0; at < more; at++)
            length = length << 8 | head[2 + at];
        if (length < (more == 2 ? 126 : 0x10000))
            return 0;
    }
    if (length > (uint64_t)(rest - size) || (Py_ssize_t)length > in->limit)
        return 0;
    found->text = head[0] == (bits | 1);
    found->payload = head + size;
    found->key = in->masked ? found->payload - 4 : NULL;
    found->length = (Py_ssize_t)length;
    found->stop = in->start + size + found->length;
    return 1;
}

/* Text has to be unmasked before it is decoded, so it needs memory twice.  glibc gives what is freed at the end of its
   heap back to the kernel if it is more than twice the largest block that it had mapped; then each message is written
   to new pages, which takes 15 ms for 4 MiB.  Asked for three times as much, most of which is never touched, it keeps
   the pages: 1 ms.  MOST is MOST_LEARNED of messages.py: from 32 MiB on, glibc learns nothing. */
#define MUCH 0x8000
#define MOST 0x1800000
#define ROOM(length) \
    ((size_t)((length) <= MUCH || (length) >= MOST ? (length) : (length) < MOST / 3 ? 3 * (length) : MOST))

/* The text that the bytes are, masked or not as in `new_bytes`; NULL and a UnicodeDecodeError if it is not UTF-8. */
static PyObject *
new_text(const uint8_t *in, Py_ssize_t size, const uint8_t *key)
{
    uint64_t few[256]; /* words, since decoding is faster where they begin */
    void *plain = few;
    PyObject *out;

    if (key == NULL)
        return PyUnicode_DecodeUTF8((const char *)in, size, NULL);
    if (size > (Py_ssize_t)sizeof few && (plain = PyMem_Malloc(ROOM(size))) == NULL)
        return PyErr_NoMemory();
    mask_into(plain, in, size, key);
    out = PyUnicode_DecodeUTF8(plain, size, NULL);
    if (plain != few)
        PyMem_Free(plain);
    return out;
}

/* Append all to `out`, and have `start` be where the first thing lies that is not a plain message; 0 and an exception
   if there is no memory. */
static int
take_all(Received *in, PyObject *out)
{
    Plain found;

    for (; find_whole(in, 0x80, &found); in->start = found.stop) {
        PyObject *message = (found.text ? new_text : new_bytes)(found.payload, found.length, found.key);
        if (message == NULL && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
            PyErr_Clear();
            break;
        }
        int failed = message == NULL || PyList_Append(out, message) < 0;
        Py_XDECREF(message);
        if (failed)
            return 0;
    }
    return 1;
}

/* What the first four arguments say; the data is to be released.  0 and an exception if they say nothing. */
static int
read_arguments(PyObject *const *args, Received *in)
{
    if ((in->start = PyNumber_AsSsize_t(args[1], PyExc_ValueError)) < 0) {
        if (!PyErr_Occurred())
            PyErr_SetString(PyExc_ValueError, "a position is from 0 on");
        return 0;
    }
    if ((in->masked = PyObject_IsTrue(args[2])) < 0)
        return 0;
    /* A limit that is too large for C is the largest one. */
    if ((in->limit = PyNumber_AsSsize_t(args[3], NULL)) == -1 && PyErr_Occurred())
        return 0;
    return PyObject_GetBuffer(args[0], &in->data, PyBUF_SIMPLE) == 0;
}

static PyObject *
take_plain(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Received in;
    int taken;

    if (!are_given("take_plain", count, 5))
        return NULL;
    if (!PyList_Check(args[4]))
        return PyErr_Format(PyExc_TypeError, "a list is needed");
    if (!read_arguments(args, &in))
        return NULL;
    taken = take_all(&in, args[4]);
    PyBuffer_Release(&in.data);
    return taken ? PyLong_FromSsize_t(in.start) : NULL;
}

static PyObject *
compressed_at(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Received in;
    Plain found;
    PyObject *payload, *out = NULL;

    if (!are_given("compressed_at", count, 4) || !read_arguments(args, &in))
        return NULL;
    if (!find_whole(&in, 0xc0, &found) || found.length == 0 || found.length >= 0x10000)
        out = Py_NewRef(Py_None);
    else if ((payload = new_bytes(found.payload, found.length, found.key)) != NULL)
        out = Py_BuildValue("ONn", found.text ? Py_True : Py_False, payload, found.stop);
    PyBuffer_Release(&in.data);
    return out;
}

/* --- The module --------------------------------------------------------------------------------------------------- */

#define TWIN(name, home) \
    {#name, (PyCFunction)(void (*)(void))name, METH_FASTCALL, "The twin of rawws.core." home "." #name "."}

static PyMethodDef functions[] = {
    TWIN(apply_mask, "masking"),
    TWIN(compressed_at, "messages"),
    TWIN(encode_run, "frames"),
    TWIN(encode_whole, "frames"),
    TWIN(take_plain, "messages"),
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
#ifdef Py_GIL_DISABLED
    /* Nothing here is shared between two calls, but for what both were given: a list locks itself. */
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "rawws.core._speedups",
    .m_doc = "Functions of the core in C; each has a twin in Python, and rawws.core.speedups says which is in use.",
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__speedups(void)
{
    return PyModuleDef_Init(&definition);
}
