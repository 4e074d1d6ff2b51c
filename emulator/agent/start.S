/* SPDX-License-Identifier: GPL-2.0-only */
/* Entry of the agent, the first program of a real kernel, and the mark where its snapshot is taken. */
#include "user.h"

	.text

_GLOBAL _start
	b	agent_mark
END_FUNC _start

/* The instruction here has not run yet when the snapshot is taken. */
_GLOBAL agent_mark
	b	agent_mark
END_FUNC agent_mark
