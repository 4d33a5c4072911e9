/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef LB_VERSION_H
#define LB_VERSION_H

#define LB_VERSION "0.1.0"

#endif
