"""When do recurrent networks compute well?"""
