/* What takes most of the time of a busy connection, once more, in C.

   Each of these is a pure function of bytes, and the twin of a function in Python that has its name: read that one, in
   masking.py.  Here is no protocol, no state, and nothing that the other does not do to the byte.
*/

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

/* --- masking.py --------------------------------------------------------------------------------------------------- */

/* XOR `size` bytes with the 4 of `key`, eight at a time; out of these, the compiler makes steps of 16 or 32.  memcpy
   costs nothing: it is how C says that a word may lie at any address. */
static void
mask_into(uint8_t *restrict out, const uint8_t *restrict in, Py_ssize_t size, const char *key)
{
    uint64_t word, mask;
    Py_ssize_t at = 0;

    memcpy(&mask, key, 4);
    memcpy((char *)&mask + 4, key, 4);
    for (; at <= size - 8; at += 8) {
        memcpy(&word, in + at, 8);
        word ^= mask;
        memcpy(out + at, &word, 8);
    }
    for (; at < size; at++)
        out[at] = in[at] ^ (uint8_t)key[at & 3];
}

/* The 4 bytes of a key; NULL and an exception if it is none. */
static const char *
read_key(PyObject *key)
{
    char *bytes;
    Py_ssize_t size;

    if (PyBytes_AsStringAndSize(key, &bytes, &size) < 0)
        return NULL;
    if (size != 4) {
        PyErr_Format(PyExc_ValueError, "a key of %zd bytes, not 4", size);
        return NULL;
    }
    return bytes;
}

static PyObject *
apply_mask(PyObject *module, PyObject *const *args, Py_ssize_t count)
{
    Py_buffer data;
    const char *key;
    PyObject *out;

    if (count != 2)
        return PyErr_Format(PyExc_TypeError, "apply_mask takes 2 arguments, not %zd", count);
    if ((key = read_key(args[1])) == NULL || PyObject_GetBuffer(args[0], &data, PyBUF_SIMPLE) < 0)
        return NULL;
    out = PyBytes_FromStringAndSize(NULL, data.len);
    if (out != NULL)
        mask_into((uint8_t *)PyBytes_AsString(out), data.buf, data.len, key);
    PyBuffer_Release(&data);
    return out;
}

/* --- The module --------------------------------------------------------------------------------------------------- */

static PyMethodDef functions[] = {
    {"apply_mask", (PyCFunction)(void (*)(void))apply_mask, METH_FASTCALL, "The twin of rawws.core.masking.apply_mask."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
#ifdef Py_GIL_DISABLED
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
