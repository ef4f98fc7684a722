/* SPDX-License-Identifier: BSD-3-Clause */
/* SPDX-FileCopyrightText: 2026 the gradwire authors */
/* `gradwire info --man`: the manual page of the codecs, made from the library's tables when the
 * tree is built, so that it cannot tell of other parameters than the parser takes. */
#include "tools/info.h"

#include <ctype.h>
#include <stdio.h>

/* Text in which nothing is a request or an escape. Lines never start with the text's own bytes. */
static void print_text(const char *text)
{
    for (; *text; text++) {
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else
            putchar(*text);
    }
}

static void print_line(const char *before, const char *text, const char *after)
{
    fputs(before, stdout);
    print_text(text);
    fputs(after, stdout);
}

static void print_param(const gw_param *param)
{
    char range[128];
    info_describe_range(range, sizeof range, param);
    print_line(".TP\n\\fB", param->key, "\\fR=");
    print_line("\\fI", range, "\\fR\n");
    print_line("\\&", param->sentence, "");
    if (*param->standard)
        print_line(" (default ", param->standard, ")");
    putchar('\n');
}

static void print_codec(const gw_codec_info *codec)
{
    int wrapper = (codec->traits & GW_WRAPPER) != 0;
    print_line(".SS \\fB", codec->name, wrapper ? "+\\fR\n" : "\\fR\n");
    print_line("\\&", codec->sentence, ".\n");
    const char *before = "Traits: ";
    for (const struct info_trait *trait = info_traits; trait->bit; trait++) {
        if (!(codec->traits & trait->bit) || trait->bit == GW_WRAPPER)
            continue;
        print_line(before, trait->name, "");
        before = ", ";
    }
    fputs(*before == ',' ? ".\n" : "", stdout);
    if (codec->paper && *codec->paper)
        print_line(".br\nPaper: ", codec->paper, ".\n");
    for (const gw_param *param = codec->params; param && param->key; param++)
        print_param(param);
}

static void print_codecs(unsigned wrappers)
{
    const gw_codec_info *codec;
    for (size_t i = 0; (codec = gw_info_codec(i)); i++)
        if ((codec->traits & GW_WRAPPER) == wrappers)
            print_codec(codec);
}

static void print_methods(const struct info_methods *table)
{
    gw_method_info method;
    fputs(".SH \"SERVER ", stdout);
    for (const char *at = table->title; *at; at++)
        putchar(toupper((unsigned char)*at));
    fputs("\"\n", stdout);
    for (size_t i = 0; table->row(i, &method); i++) {
        print_line(".SS \\fB", method.name, "\\fR\n");
        print_line("\\&", method.sentence, ".\n");
        if (method.paper && *method.paper)
            print_line(".br\nPaper: ", method.paper, ".\n");
        for (const gw_param *param = method.params; param && param->key; param++)
            print_param(param);
    }
}

void info_print_man(void)
{
    printf(".TH GRADWIRE\\-CODECS 7 \"2026\" \"gradwire %s\" \"gradwire manual\"\n", gw_version());
    fputs(".SH NAME\ngradwire\\-codecs \\- what makes gradients small, and its parameters\n"
          ".SH SYNOPSIS\n\\fIWRAPPER\\fR[\\fB:\\fIKEY\\fB=\\fIVALUE\\fR[\\fB,\\fR...]]\\fB+\\fR..."
          "\\fICODEC\\fR[\\fB:\\fIKEY\\fB=\\fIVALUE\\fR[\\fB,\\fR...]]\n"
          ".SH DESCRIPTION\nA spec string names a codec, its parameters, and wrappers in front of "
          "it:\n.BR qsgd:bits=4 ,\n.BR ef+sign .\nThe field \\fIcodec\\fR of gw_options, the "
          "variable GRADWIRE_CODEC and the option\n.B \\-\\-codec\nof\n"
          ".BR gradwire\\-bench (1)\ntake one. A parameter server is told its mode, aggregator, "
          "optimizer and durability in the "
          "same way; see\n.BR gradwire\\-serve (1).\nUnknown keys and values out of range are "
          "errors that "
          "name the valid ones.\n.PP\nThe traits:\n",
          stdout);
    for (const struct info_trait *trait = info_traits; trait->bit; trait++) {
        print_line(".TP\n\\fB", trait->name, "\\fR\n");
        print_line("\\&", trait->sentence, "\n");
    }
    fputs(".SH CODECS\n", stdout);
    print_codecs(0);
    fputs(".SH WRAPPERS\n", stdout);
    print_codecs(GW_WRAPPER);
    for (const struct info_methods *table = info_methods; table->title; table++)
        print_methods(table);
    fputs(".SH SEE ALSO\n.BR gradwire (1),\n.BR gradwire\\-info (1),\n.BR gradwire\\-bench (1),\n"
          ".BR gradwire\\-serve (1)\n",
          stdout);
}
